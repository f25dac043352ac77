//! `GET /metrics` for Prometheus.

use actix_web::HttpResponse;

use super::extract::ApiReader;
use crate::telemetry::metrics as registered;

/// `GET /metrics`: everything counted since the start.
pub async fn metrics(_caller: ApiReader) -> HttpResponse {
    HttpResponse::Ok().content_type(registered::MEDIA_TYPE).body(registered::text())
}
