//! Panics are logged and counted, wherever they happen.

use prometheus_client::metrics::counter::Counter;

use crate::event;

/// Logs and counts every panic of the process from now on.
pub fn watch(panics: Counter) {
    std::panic::set_hook(Box::new(move |panic| {
        panics.inc();
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("a value that is no text");
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        tracing::error!(event = event::PANICKED, place, what, thread);
    }));
}
