//! The way in: routes, extractors and encoding on actix-web. No SQL and no decisions; a handler
//! takes what it needs from its signature, calls one use case and encodes the answer.

pub mod admin;
pub mod conditions;
pub mod csv;
pub mod discovery;
pub mod entry;
pub mod error;
pub mod extract;
pub mod groups;
pub mod health;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod respond;
pub mod rights;
pub mod routes;
pub mod search;
pub mod server;
pub mod tls;
pub mod transport;
pub mod users;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::auth::{Authenticator, Sessions};
use crate::base::network::Network;
use crate::service::Context;

/// What handlers share, as `web::Data<App>`. Dereferences to the services' [`Context`], so that
/// `app.store`, `app.clock`, `app.ids`, `app.nudge` and `app.base_url` are at hand.
#[derive(Clone)]
pub struct App {
    /// What use cases need.
    pub context: Context,
    /// Turns tokens into callers.
    pub authenticator: Authenticator,
    /// Seals and opens the page's cookie.
    pub sessions: Sessions,
    /// Whether this process wants more requests.
    pub readiness: Readiness,
    /// Whom this process believes about where a request came from.
    pub exposure: Exposure,
}

/// How the server stands in the network.
#[derive(Clone, Debug, Default)]
pub struct Exposure {
    /// Whether every connection to it is TLS.
    pub tls: bool,
    /// Proxies whose word about the client and its TLS counts.
    pub trusted_proxies: Arc<[Network]>,
}

impl App {
    /// Serve `context`; credentials are taken over TLS, from this machine and from trusted proxies.
    pub fn new(context: Context, exposure: Exposure) -> Self {
        let authenticator =
            Authenticator::new(context.store.clone(), Arc::clone(&context.clock), context.token_key.clone());
        let sessions = Sessions::new(context.keyring.session_key());
        Self { context, authenticator, sessions, readiness: Readiness::default(), exposure }
    }
}

impl Deref for App {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

/// Falls first when the process is told to stop, so that a load balancer looks elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    draining: Arc<AtomicBool>,
}

impl Readiness {
    /// From now on `/readyz` says no.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether the process is stopping.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}
