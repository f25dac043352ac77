//! The listener: workers, time-outs, keep-alive, TLS and a calm end.

use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{HttpServer, web};
use rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::entry::entry;
use super::{App, routes};
use crate::base::limits;

/// Serve on `listener` until `stop` is cancelled, with TLS where there is a configuration for it.
///
/// The end has an order. Readiness falls first, and every reply closes its connection; for
/// `drain_delay` new connections are still taken, because a load balancer finds out only with its
/// next health checks. Then no connection is taken any more, idle ones are closed, and the requests
/// under way have [`limits::DRAIN`] to finish.
///
/// # Errors
/// When the listener cannot be served.
pub async fn run(
    app: App,
    listener: TcpListener,
    tls: Option<ServerConfig>,
    drain_delay: Duration,
    stop: CancellationToken,
) -> io::Result<()> {
    let readiness = app.readiness.clone();
    let app = web::Data::new(app);
    let server = HttpServer::new(move || {
        actix_web::App::new().app_data(app.clone()).wrap(from_fn(entry)).configure(routes::configure)
    })
    .keep_alive(limits::KEEP_ALIVE)
    .client_request_timeout(limits::HEAD_TIMEOUT)
    .tls_handshake_timeout(limits::TLS_HANDSHAKE)
    .max_connection_rate(limits::TLS_HANDSHAKES)
    .shutdown_timeout(limits::DRAIN.as_secs())
    .disable_signals();
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    let server = server.run();
    let handle = server.handle();
    let mut server = pin!(server);
    tokio::select! {
        served = &mut server => {
            // Whatever ended the server ends everything beside it.
            stop.cancel();
            return served;
        }
        () = stop.cancelled() => readiness.drain(),
    }
    if !drain_delay.is_zero() {
        tracing::info!(seconds = drain_delay.as_secs_f64(), "not ready any more; still answering whoever comes");
        tokio::select! {
            served = &mut server => return served,
            () = tokio::time::sleep(drain_delay) => {}
        }
    }
    tracing::info!("taking no more connections; finishing the requests under way");
    let (served, ()) = tokio::join!(server, handle.stop(true));
    served
}
