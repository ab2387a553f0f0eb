//! The promises kept in one local folder: segments and index.
