//! The listener: workers, time-outs, keep-alive and a calm end.

use std::io;
use std::net::TcpListener;

use actix_web::middleware::from_fn;
use actix_web::{HttpServer, web};
use tokio_util::sync::CancellationToken;

use super::entry::entry;
use super::{App, routes};
use crate::base::limits;

/// Serve on `listener` until `stop` is cancelled: readiness falls first, then no connection is
/// taken any more, and the requests under way are finished.
///
/// # Errors
/// When the listener cannot be served.
pub async fn run(app: App, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let readiness = app.readiness.clone();
    let app = web::Data::new(app);
    let server = HttpServer::new(move || {
        actix_web::App::new().app_data(app.clone()).wrap(from_fn(entry)).configure(routes::configure)
    })
    .keep_alive(limits::KEEP_ALIVE)
    .client_request_timeout(limits::HEAD_TIMEOUT)
    .shutdown_timeout(limits::DRAIN.as_secs())
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let ending = async {
        stop.cancelled().await;
        readiness.drain();
        handle.stop(true).await;
    };
    let (served, ()) = tokio::join!(
        async {
            let served = server.await;
            // Whatever ended the server also ends the waiting for it.
            stop.cancel();
            served
        },
        ending
    );
    served
}
