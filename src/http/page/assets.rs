//! The page's static files: compiled in, named by their content, so that browsers may keep them
//! for ever and still see a new one at once.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use sha2::{Digest, Sha256};

use super::reply;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const FAVICON: &str = include_str!("favicon.svg");

/// The address of the style sheet, with the mark of its content.
pub static STYLE_PATH: LazyLock<String> = LazyLock::new(|| marked("/static/page.css", STYLE));
/// The address of the script.
pub static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| marked("/static/page.js", SCRIPT));
/// The address of the picture in the browser's tab.
pub static FAVICON_PATH: LazyLock<String> = LazyLock::new(|| marked("/static/favicon.svg", FAVICON));

fn marked(path: &str, content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    let mark: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{path}?v={mark}")
}

fn file(media: &'static str, content: &'static str) -> HttpResponse {
    reply::builder(StatusCode::OK)
        .insert_header((header::CONTENT_TYPE, media))
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(content)
}

/// `GET /static/page.css`
pub async fn style() -> HttpResponse {
    file("text/css; charset=utf-8", STYLE)
}

/// `GET /static/page.js`
pub async fn script() -> HttpResponse {
    file("text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /static/favicon.svg`
pub async fn favicon() -> HttpResponse {
    file("image/svg+xml", FAVICON)
}
