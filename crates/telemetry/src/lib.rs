//! Log set-up, event names, the catalogue of metrics.
