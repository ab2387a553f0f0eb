//! The admin API, health and the metrics endpoint.
