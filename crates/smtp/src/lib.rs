//! SMTP as a value: commands, replies, the server session.
