//! Listeners, TLS, the session driver, clock, limits, shutdown.
