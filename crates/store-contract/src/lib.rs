//! The suite that every back-end must pass.
