//! Whether the process lives, and whether it wants requests. Both without a credential, and both
//! say no more than that.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use super::App;
use super::error::{ApiFailure, Refusal};
use crate::service::health;

/// `GET /healthz`: the process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// `GET /readyz`: the database is reachable, its migrations are current, and the process is not
/// stopping.
///
/// # Errors
/// 503 otherwise.
pub async fn readyz(app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    if app.readiness.is_draining() {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping").into());
    }
    health::ready(&app.context).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"))
}
