//! The promises: traits, errors, receipts, the memory back-end.
