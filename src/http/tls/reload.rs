//! The certificate in use. Its files are looked at every few seconds, and at once when told to
//! (SIGHUP); a good new pair is what the next client sees, a bad one changes nothing and is
//! reported once. Connections under way keep what they were opened with.

use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};
use std::time::Duration;

use prometheus::IntGaugeVec;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Files;
use super::pair::{Look, Pair, Seen, everybody_reads};
use super::validity::Validity;
use crate::base::clock::{Micros, SharedClock};
use crate::base::limits;
use crate::telemetry::metrics;

static EXPIRES: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "How long the TLS certificate in use is still valid; below zero it has ended.";
    metrics::gauge("scimhub_tls_certificate_expires_seconds", help, &[])
});

/// The certificate in use and where it came from.
#[derive(Debug)]
pub struct Certificates {
    files: Files,
    clock: SharedClock,
    current: RwLock<Arc<CertifiedKey>>,
    watched: Mutex<Watched>,
}

/// What the watcher remembers between two looks.
#[derive(Debug)]
struct Watched {
    seen: Seen,
    validity: Validity,
    warned: Option<Duration>,
}

impl Certificates {
    /// Read the files for the first time. A certificate that has ended is served all the same,
    /// with an error in the log: a restart must not make worse what was running.
    ///
    /// # Errors
    /// Everything that is wrong with the files.
    pub(super) fn open(files: Files, clock: SharedClock) -> Result<Self, Vec<String>> {
        let look = Look::at(&files);
        let Pair { certified, validity } = look.pair(&files)?;
        let watched = Watched { seen: look.seen(), validity, warned: None };
        Ok(Self { files, clock, current: RwLock::new(certified), watched: Mutex::new(watched) })
    }

    /// Say what an operator should know about the files as they are at the start.
    pub fn report(&self) {
        if everybody_reads(&self.files.key) {
            let file = self.files.key.display();
            tracing::warn!(%file, "everybody on this machine can read the TLS key {file}");
        }
        self.watch_life(&mut self.watched.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Look at the files again. Call it off the asynchronous threads: it reads files.
    pub fn look(&self) {
        let look = Look::at(&self.files);
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = look.seen();
        if seen != watched.seen {
            watched.seen = seen;
            self.replace(&look, &mut watched);
        }
        self.watch_life(&mut watched);
    }

    fn replace(&self, look: &Look, watched: &mut Watched) {
        let now = self.clock.now();
        let fresh = look.pair(&self.files).and_then(|pair| match usable(pair.validity, now) {
            Err(why) if usable(watched.validity, now).is_ok() => {
                Err(vec![format!("tls_cert: {} holds a certificate that {why}", self.files.cert.display())])
            }
            Ok(()) | Err(_) => Ok(pair),
        });
        match fresh {
            Ok(Pair { certified, validity }) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = certified;
                watched.validity = validity;
                watched.warned = None;
                let until = validity.until.to_rfc3339();
                tracing::info!(%until, "the TLS certificate was replaced; the new one is valid until {until}");
                if everybody_reads(&self.files.key) {
                    let file = self.files.key.display();
                    tracing::warn!(%file, "everybody on this machine can read the TLS key {file}");
                }
            }
            Err(problems) => {
                let problems = problems.join("; ");
                tracing::error!(%problems, "the TLS files changed and cannot be used, the certificate in use stays: {problems}");
            }
        }
    }

    /// The metric, and once a day the warning about an end that is near.
    fn watch_life(&self, watched: &mut Watched) {
        let now = self.clock.now();
        let left = watched.validity.until.0.saturating_sub(now.0).div_euclid(1_000_000);
        let none: [&str; 0] = [];
        EXPIRES.with_label_values(&none).set(left);
        let at = self.clock.monotonic();
        if watched.warned.is_some_and(|last| at.saturating_sub(last) < limits::TLS_WARN_EVERY) {
            return;
        }
        let until = watched.validity.until.to_rfc3339();
        if let Err(why) = usable(watched.validity, now) {
            watched.warned = Some(at);
            tracing::error!(%until, "the TLS certificate in use {why}: clients will refuse it");
        } else if watched.validity.until <= now.plus(limits::TLS_EXPIRES_SOON) {
            watched.warned = Some(at);
            tracing::warn!(%until, "the TLS certificate in use ends at {until}; renew it");
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Whether a client with the right time would accept this certificate's life.
fn usable(validity: Validity, now: Micros) -> Result<(), String> {
    if validity.until < now {
        return Err(format!("ended at {}", validity.until.to_rfc3339()));
    }
    if now < validity.from {
        return Err(format!("begins only at {}", validity.from.to_rfc3339()));
    }
    Ok(())
}
