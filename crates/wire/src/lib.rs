//! Bytes to lines and back, and the two traits that join the parts.
