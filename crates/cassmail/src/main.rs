//! One binary: SMTP in, durable, POP3 out.

fn main() {}
