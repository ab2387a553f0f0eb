//! A load generator and checker.

fn main() {}
