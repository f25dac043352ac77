//! The practice app: a small, strict SCIM app with a page of its seats and a switchboard of
//! faults, for the demo, for trying mappings safely and for tests. It is the other side of the
//! wire on purpose: it shares no protocol code with the server, so a mistake cannot hide in both.

mod assets;
mod faults;
mod invitations;
mod page;
mod patch;
mod seats;
mod serve;
mod switchboard;
mod users;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::{Arc, Mutex};

use crate::base::clock::SharedClock;
use crate::base::secret::SecretString;

pub use assets::{AssetKinds, practice_kinds};
pub use invitations::Invites;
pub use serve::Shared;

/// A running sandbox; it stops when this is dropped.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: actix_web::dev::ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address is not one, is taken, or is not allowed.
    #[error("cannot listen on {listen}")]
    Listen {
        /// As given.
        listen: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server's thread ended at once.
    #[error("the sandbox did not start")]
    Start,
}

impl Sandbox {
    /// Listen on `listen` (`127.0.0.1:0` takes a free port) and accept `token` as the only
    /// credential. Runs on a thread of its own, so callers need no runtime.
    ///
    /// # Errors
    /// [`SandboxError`] when the address cannot be used.
    pub fn start(listen: &str, token: SecretString, clock: SharedClock) -> Result<Self, SandboxError> {
        let bad = |source| SandboxError::Listen { listen: listen.to_owned(), source };
        let wanted = listen
            .to_socket_addrs()
            .map_err(bad)?
            .next()
            .ok_or_else(|| bad(std::io::ErrorKind::AddrNotAvailable.into()))?;
        let listener = TcpListener::bind(wanted).map_err(bad)?;
        let address = listener.local_addr().map_err(bad)?;
        let shared = Arc::new(Shared::new(token, clock));
        let (sender, started) = std::sync::mpsc::channel();
        let inner = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(String::from("sandbox"))
            .spawn(move || serve::run(listener, inner, &sender))
            .map_err(bad)?;
        let server = started.recv().map_err(|_| SandboxError::Start)?;
        Ok(Self { address, shared, server, thread: Some(thread) })
    }

    /// Where it listens: `http://127.0.0.1:PORT`. Its page is at `/`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The SCIM base URL of one space (a connected account of the app); spaces come into being
    /// when they are first used.
    pub fn scim(&self, space: &str) -> String {
        format!("http://{}/{space}/scim/v2", self.address)
    }

    /// What the switchboard's `state` answers, without the network.
    pub fn state(&self) -> serde_json::Value {
        lock(&self.shared.spaces).state()
    }

    /// From now on people are brought in this way.
    pub fn set_invites(&self, invites: Invites) {
        lock(&self.shared.spaces).rules.invites = invites;
    }

    /// From now on seats have assets of these kinds.
    pub fn set_assets(&self, kinds: AssetKinds) {
        lock(&self.shared.spaces).rules.assets = Some(kinds);
    }

    /// Queue faults as `POST /_test/faults` does.
    ///
    /// # Errors
    /// What is wrong with the description.
    pub fn fault(&self, faults: &serde_json::Value) -> Result<(), String> {
        lock(&self.shared.faults).add(faults)
    }

    /// Wait until it is stopped from outside (a signal).
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The command is sent at the call; the future would only wait for its end.
        drop(self.server.stop(false));
    }
}

/// A poisoned lock means a handler panicked; the practice app goes on with what is there.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
