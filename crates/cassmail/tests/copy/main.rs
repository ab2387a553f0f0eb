//! Moving everything from one store into another: between memory and the embedded store, and with
//! `CASSMAIL_CASSANDRA=127.0.0.1:9042` (contact points, data center `dc1`) a real Cassandra.
//!
//! Read first: [`town`], which is what is moved.

mod between;
mod cassandra;
mod interrupted;
mod picture;
mod town;
