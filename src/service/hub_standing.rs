//! The facts that a hub's status is made of (business-hubs.md section 7), read once for all hubs of a
//! workspace.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::catalog::Catalog;
use crate::domain::hub_status::{self, HubFacts, HubStatus};
use crate::domain::problem::Cause;
use crate::store::hubs::{self, HubRecord};
use crate::store::{DbConn, StoreError, health, hub_secrets, problems};

/// Problems read at most: there are a few per hub.
const PROBLEMS: i64 = 10_000;

/// How the hubs of a workspace stand.
pub(super) struct Standing<'a> {
    catalog: &'a Catalog,
    problems: HashMap<HubId, BTreeSet<Cause>>,
    /// Names of the secrets that are set.
    secrets: HashMap<HubId, BTreeSet<String>>,
    /// Apps of which a hub of the workspace has completed a task or a sync.
    proven: HashSet<String>,
    now: Micros,
}

impl<'a> Standing<'a> {
    /// Read the facts.
    pub(super) fn read(
        conn: &mut DbConn,
        workspace: WorkspaceId,
        catalog: &'a Catalog,
        now: Micros,
    ) -> Result<Self, StoreError> {
        let mut open: HashMap<HubId, BTreeSet<Cause>> = HashMap::new();
        for problem in problems::open(conn, workspace, PROBLEMS)? {
            open.entry(problem.hub).or_default().insert(problem.cause);
        }
        let health = health::of_hubs(conn, workspace)?;
        let proven = hubs::records(conn, workspace)?
            .into_iter()
            .filter(|record| {
                record.last_synced_at.is_some()
                    || health.get(&record.hub.id).is_some_and(|health| health.last_success.is_some())
            })
            .map(|record| record.hub.app)
            .collect();
        Ok(Self { catalog, problems: open, secrets: hub_secrets::of_workspace(conn, workspace)?, proven, now })
    }

    /// When it was looked.
    pub(super) const fn now(&self) -> Micros {
        self.now
    }

    /// Whether the app of one of them can be read at all, by the way it is signed in to.
    pub(super) fn syncs(&self, record: &HubRecord) -> bool {
        self.catalog.get(&record.hub.app).is_some_and(|app| app.with_login(record.hub.login).tasks.sync)
    }

    fn lacks_secrets(&self, record: &HubRecord) -> bool {
        let is_called = self.catalog.get(&record.hub.app).is_some_and(App::is_called);
        let set = self.secrets.get(&record.hub.id);
        is_called && record.hub.secret_names().iter().any(|name| set.is_none_or(|set| !set.contains(name)))
    }

    /// The status of one of them.
    pub(super) fn of(&self, record: &HubRecord) -> HubStatus {
        let none = BTreeSet::new();
        hub_status::status(&HubFacts {
            paused: record.hub.paused,
            problems: self.problems.get(&record.hub.id).unwrap_or(&none),
            lacks_secrets: self.lacks_secrets(record),
            proven: self.proven.contains(&record.hub.app),
            syncs: self.syncs(record),
            last_synced: record.last_synced_at,
            connected: record.created_at,
            now: self.now,
        })
    }
}
