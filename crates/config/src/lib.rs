//! The file format, its defaults, layers and check.
