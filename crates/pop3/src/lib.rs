//! POP3 as a value: commands, replies, the session.
