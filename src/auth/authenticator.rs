//! From a presented token to a [`Caller`]. Rows are remembered for less than a second, so that the
//! hot path reads no database and a revoked token still stops within a second everywhere.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::AuthError;
use crate::base::clock::{Micros, SharedClock};
use crate::base::ids::TokenId;
use crate::domain::caller::{Caller, Scope, Sight};
use crate::domain::credential::{self, TokenKey};
use crate::domain::rights::{Claims, Kind, Rights, Role};
use crate::store::tokens::{Credential, Token};
use crate::store::{Store, StoreError, sources, tokens};

/// How long a row may be believed without another look: below the second that DESIGN.md allows.
const REMEMBERED: Duration = Duration::from_millis(900);
/// Tokens remembered at once; beyond it the memory starts empty again.
const REMEMBERED_TOKENS: usize = 4_096;
/// How often a token's last use is written down.
const LAST_USED_EVERY: Duration = Duration::from_secs(60);

/// Turns tokens into callers. Cheap to clone; all clones share one memory.
#[derive(Clone)]
pub struct Authenticator {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    clock: SharedClock,
    key: TokenKey,
    known: RwLock<HashMap<Box<str>, Arc<Known>>>,
    /// How often something was forgotten; changes only under the lock of `known`.
    forgotten: AtomicU64,
}

struct Known {
    credential: Credential,
    read_at: Duration,
    last_noted: AtomicI64,
}

impl Authenticator {
    /// Check tokens of `store` against their hashes under `key`.
    pub fn new(store: Store, clock: SharedClock, key: TokenKey) -> Self {
        Self { shared: Arc::new(Shared { store, clock, key, known: RwLock::default(), forgotten: AtomicU64::new(0) }) }
    }

    /// Who presents this token.
    ///
    /// # Errors
    /// [`AuthError::Malformed`], [`AuthError::Unknown`], [`AuthError::Expired`] or
    /// [`AuthError::Revoked`], all answered alike; [`AuthError::Unavailable`] when the database
    /// did not answer.
    pub async fn authenticate(&self, token: &str, request_id: Arc<str>) -> Result<Caller, AuthError> {
        Ok(self.living(token, request_id).await?.0)
    }

    /// Who signs in to the page with this token, and the moment at which their session begins: now,
    /// or right after the last signing out where another replica's clock was ahead.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn sign_in(&self, token: &str, request_id: Arc<str>) -> Result<(Caller, Micros), AuthError> {
        let (caller, known) = self.living(token, request_id).await?;
        let now = self.shared.clock.now();
        let began = known.credential.sessions_ended_at.map_or(now, |ended| now.max(Micros(ended.0.saturating_add(1))));
        Ok((caller, began))
    }

    /// Who is behind a session of the page that began with this token at `began`.
    ///
    /// # Errors
    /// As [`Self::authenticate`]; [`AuthError::SignedOut`] when somebody signed out of this token's
    /// sessions since. Another replica learns of it within a second, this one at once by
    /// [`Self::forget`].
    pub async fn resume(&self, token: &str, began: Micros, request_id: Arc<str>) -> Result<Caller, AuthError> {
        let (caller, known) = self.living(token, request_id).await?;
        if known.credential.sessions_ended_at.is_some_and(|ended| began <= ended) {
            return Err(AuthError::SignedOut);
        }
        Ok(caller)
    }

    /// Look at this token's row anew from now on.
    pub fn forget(&self, token: TokenId) {
        let mut known = self.shared.known.write().unwrap_or_else(PoisonError::into_inner);
        self.shared.forgotten.fetch_add(1, Ordering::Relaxed);
        known.retain(|_, known| known.credential.token.id != token);
    }

    /// Look at everybody's row anew from now on: somebody's role changed, which counts for their next
    /// request. Another replica learns of it within a second.
    pub fn forget_people(&self) {
        let mut known = self.shared.known.write().unwrap_or_else(PoisonError::into_inner);
        self.shared.forgotten.fetch_add(1, Ordering::Relaxed);
        known.retain(|_, known| known.credential.token.acts_as.is_none());
    }

    async fn living(&self, token: &str, request_id: Arc<str>) -> Result<(Caller, Arc<Known>), AuthError> {
        let lookup = credential::lookup(token).ok_or(AuthError::Malformed)?;
        let known = match self.remembered(lookup) {
            Some(known) => known,
            None => self.look_up(lookup).await?,
        };
        let Credential { workspace, token: row, hash, preset, strict, person, sessions_ended_at: _ } =
            &known.credential;
        if !self.shared.key.matches(token, hash) {
            return Err(AuthError::Unknown);
        }
        let now = self.shared.clock.now();
        if row.revoked_at.is_some() {
            return Err(AuthError::Revoked);
        }
        if row.expires_at.is_some_and(|end| end <= now) {
            return Err(AuthError::Expired);
        }
        let rights = rights(row, person.as_ref())?;
        self.note_use(&known, now);
        let caller = Caller {
            workspace: *workspace,
            source: row.source,
            source_preset: *preset,
            dialect: crate::domain::caller::dialect(*strict),
            scope: row.scope,
            rights,
            person: row.acts_as,
            hub: None,
            partner: None,
            sight: if rights.kind == Kind::Operator { Sight::Everything } else { Sight::Nothing },
            token: Some(row.id),
            request_id,
        };
        Ok((caller, known))
    }

    fn remembered(&self, lookup: &str) -> Option<Arc<Known>> {
        let known = self.shared.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(lookup)?;
        let age = self.shared.clock.monotonic().saturating_sub(found.read_at);
        (age < REMEMBERED).then(|| Arc::clone(found))
    }

    async fn look_up(&self, lookup: &str) -> Result<Arc<Known>, AuthError> {
        let wanted = lookup.to_owned();
        // Taken before the read: a row is never believed longer than it is old.
        let read_at = self.shared.clock.monotonic();
        let forgotten = self.shared.forgotten.load(Ordering::Relaxed);
        let found = self
            .shared
            .store
            .point(move |conn| tokens::by_lookup_across_workspaces(conn, &wanted))
            .await
            .map_err(AuthError::Unavailable)?;
        let credential = found.ok_or(AuthError::Unknown)?;
        let mut known = self.shared.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_old = self.shared.forgotten.load(Ordering::Relaxed) != forgotten;
        if known.len() >= REMEMBERED_TOKENS {
            known.clear();
        }
        let noted = known.get(lookup).map_or(0, |old| old.last_noted.load(Ordering::Relaxed));
        let stored = credential.token.last_used_at.map_or(0, |at| at.0);
        let fresh = Arc::new(Known { credential, read_at, last_noted: AtomicI64::new(noted.max(stored)) });
        // A row read before something was forgotten may be the one that was to be forgotten.
        if !is_old {
            known.insert(lookup.into(), Arc::clone(&fresh));
        }
        Ok(fresh)
    }

    /// Write down the use of a token, at most once a minute and never in the request's way.
    fn note_use(&self, known: &Arc<Known>, now: Micros) {
        let last = known.last_noted.load(Ordering::Relaxed);
        if now.since(Micros(last)) < LAST_USED_EVERY {
            return;
        }
        // One of the requests that come here at the same time wins; the others go on.
        if known.last_noted.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let (workspace, token, source) =
            (known.credential.workspace, known.credential.token.id, known.credential.token.source);
        // An administrator who looks in is no sign of life of the identity provider.
        let is_idp = known.credential.token.scope == Scope::Scim;
        let store = self.shared.store.clone();
        tokio::spawn(async move {
            let noted = store
                .write(move |tx| {
                    tokens::used(tx, workspace, token, now)?;
                    if is_idp { sources::heard(tx, workspace, source, now) } else { Ok(()) }
                })
                .await;
            if let Err(error) = noted {
                let error: StoreError = error;
                tracing::warn!(%error, token.id = %token, "could not note the last use of a token");
            }
        });
    }
}

/// As what a token acts. A person's rights are looked up with the token's row, so they are never
/// older than it.
fn rights(token: &Token, person: Option<&Claims>) -> Result<Rights, AuthError> {
    if token.acts_as.is_some() {
        let person = person.filter(|person| person.active).ok_or(AuthError::PersonGone)?;
        return Ok(Rights::person(person.role()));
    }
    Ok(match (token.scope, token.role) {
        (Scope::Scim, _) => Rights::NOBODY,
        (Scope::Admin | Scope::Read, Some(role)) => Rights::service(role),
        (Scope::Admin, None) => Rights::OPERATOR,
        (Scope::Read, None) => Rights::service(Role::Auditor),
    })
}
