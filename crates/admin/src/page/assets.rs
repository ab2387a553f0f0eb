//! The style, the script and the icon of the pages. Their names say what is in them, so a browser
//! may keep them, and a new version has new ones.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use cassmail_mail::hex;
use sha2::{Digest as _, Sha256};

/// A file in the binary.
pub(super) struct Asset {
    /// Where it is.
    pub(super) path: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(name: &str, ending: &str, kind: &'static str, text: &'static str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        Self {
            path: format!("/assets/{name}-{}.{ending}", hex(&digest[..8])),
            kind,
            text,
        }
    }

    fn answer(&self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.kind),
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        ];
        (headers, self.text).into_response()
    }
}

pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let kind = "text/css; charset=utf-8";
    Asset::new("page", "css", kind, include_str!("page.css"))
});

pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let kind = "text/javascript; charset=utf-8";
    Asset::new("page", "js", kind, include_str!("page.js"))
});

pub(super) static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let kind = "image/svg+xml";
    Asset::new("icon", "svg", kind, include_str!("icon.svg"))
});

/// For whoever reaches the port: they say nothing about the service.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(&STYLE.path, get(async || STYLE.answer()))
        .route(&SCRIPT.path, get(async || SCRIPT.answer()))
        .route(&ICON.path, get(async || ICON.answer()))
}
