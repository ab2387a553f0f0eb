//! The vocabulary: addresses, envelopes, ids, sizes, receipts.
