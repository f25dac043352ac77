//! An app that costs nothing, and the engine over it: what is left is the engine's own work.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use scimhub::base::ids::{BootId, HubId, TaskId, UserId};
use scimhub::base::nudge::Nudge;
use scimhub::base::random::SystemDice;
use scimhub::base::secret::SecretString;
use scimhub::domain::catalog::Catalog;
use scimhub::domain::hub::{Hub, HubMode, HubPolicy, Login};
use scimhub::domain::member::Presence;
use scimhub::domain::task::{Effect, Principal, Task, TaskKind, TaskStatus};
use scimhub::engine::connector::{
    AttemptContext, Capabilities, Checked, Connector, Connectors, Failure, NoSteps, Outcome, Page, RemoteMember, Seen,
};
use scimhub::engine::lease::Pace;
use scimhub::engine::planner::Planner;
use scimhub::engine::recording::Recording;
use scimhub::engine::worker::{NoMeter, Worker};
use scimhub::store::hubs;

use super::fill::Filler;
use super::support::Database;

/// Does what it is told at once, or after a while, and counts.
#[derive(Debug, Default)]
pub struct App {
    called: AtomicUsize,
    takes: Duration,
    first: Mutex<HashMap<HubId, Instant>>,
}

impl App {
    pub fn taking(takes: Duration) -> Arc<Self> {
        Arc::new(Self { takes, ..Self::default() })
    }

    /// Calls so far, over all hubs.
    pub fn called(&self) -> usize {
        self.called.load(Ordering::SeqCst)
    }

    /// When this hub was first called.
    pub fn first(&self, hub: HubId) -> Option<Instant> {
        self.first.lock().ok()?.get(&hub).copied()
    }
}

#[derive(Debug)]
struct Plug {
    app: Arc<App>,
    hub: HubId,
}

#[async_trait]
impl Connector for Plug {
    fn kind(&self) -> &'static str {
        "nothing"
    }

    fn describe(&self) -> Capabilities {
        Capabilities {
            list: true,
            invites: false,
            role_change_while_pending: true,
            suspend: true,
            write_concurrency: 1_000,
        }
    }

    async fn check(&self, _context: &AttemptContext) -> Result<Checked, Failure> {
        Ok(Checked::default())
    }

    async fn list(&self, _cursor: Option<String>, _context: &AttemptContext) -> Result<Page, Failure> {
        Ok(Page::default())
    }

    async fn apply(&self, effect: &Effect, context: &AttemptContext) -> Result<Outcome, Failure> {
        context.before_send()?;
        if let Ok(mut first) = self.app.first.lock() {
            first.entry(self.hub).or_insert_with(Instant::now);
        }
        if !self.app.takes.is_zero() {
            tokio::time::sleep(self.app.takes).await;
        }
        self.app.called.fetch_add(1, Ordering::SeqCst);
        context.after_reply();
        let email = effect.principal.email.clone();
        Ok(Outcome::Applied((effect.kind != TaskKind::Remove).then(|| RemoteMember {
            remote_id: format!("r-{email}"),
            user_name: Some(email.clone()),
            email: Some(email),
            name: None,
            role: effect.role.clone(),
            assets: None,
            presence: Presence::Active,
            expires_at: None,
        })))
    }

    async fn verify(&self, _intent: &Effect, _context: &AttemptContext) -> Result<Seen, Failure> {
        Ok(Seen::Unknown)
    }
}

#[derive(Debug)]
struct Plugs(Arc<App>);

impl Connectors for Plugs {
    fn connect(&self, hub: &Hub, _secrets: &BTreeMap<String, SecretString>) -> Result<Arc<dyn Connector>, Failure> {
        Ok(Arc::new(Plug { app: Arc::clone(&self.0), hub: hub.id }))
    }

    fn instructions(&self, _hub: &Hub, _task: &Task) -> String {
        String::new()
    }
}

/// Planner and worker over a database of their own, in this process, with a server's pace.
pub struct Bench {
    pub filler: Filler,
    pub planner: Planner,
    pub worker: Worker,
    pub nudge: Nudge,
    _database: Database,
}

impl Bench {
    pub async fn new(database: Database, app: &Arc<App>) -> anyhow::Result<Self> {
        let filler = Filler::new(database.open()).await?;
        let (store, ids, nudge) = (filler.store.clone(), filler.ids.clone(), Nudge::default());
        let (clock, catalog) = (Arc::clone(store.clock()), Arc::new(Catalog::builtin()?));
        let planner = Planner::new(store.clone(), catalog, Arc::clone(&clock), ids.clone(), nudge.clone());
        let worker = Worker {
            boot: BootId::from_uuid(ids.next()),
            store,
            connectors: Arc::new(Plugs(Arc::clone(app))),
            secrets: Arc::new(|_, _, _| Ok(BTreeMap::new())),
            ids,
            clock,
            dice: Arc::new(SystemDice),
            nudge: nudge.clone(),
            steps: Arc::new(NoSteps),
            pace: Pace::default(),
            meter: Arc::new(NoMeter),
            recording: Recording::default(),
        };
        Ok(Self { filler, planner, worker, nudge, _database: database })
    }

    /// A hub of the practice app that pushes, so many calls at once.
    pub async fn hub(&self, slug: &str, max_in_flight: u32) -> anyhow::Result<HubId> {
        let hub = Hub {
            id: HubId::from_uuid(self.filler.ids.next()),
            slug: slug.parse().map_err(|_| anyhow::anyhow!("a slug"))?,
            app: "sandbox".to_owned(),
            label: slug.to_owned(),
            login: Login::Sso,
            mode: HubMode::Active,
            paused: false,
            settle: Duration::ZERO,
            connection: BTreeMap::new(),
            policy: HubPolicy { max_in_flight, ..HubPolicy::default() },
            owner: None,
            file_ref: None,
            revision: 1,
        };
        let (id, workspace, now) = (hub.id, self.filler.workspace, self.filler.store.clock().now());
        self.filler.store.write(move |tx| hubs::insert(tx, workspace, &hub, now)).await?;
        Ok(id)
    }

    /// A queued add for somebody.
    pub fn task(&self, hub: HubId, email: &str) -> Task {
        let now = self.filler.store.clock().now();
        let user = UserId::from_uuid(self.filler.ids.next());
        Task {
            workspace: self.filler.workspace,
            id: TaskId::from_uuid(self.filler.ids.next()),
            hub,
            subject: format!("user:{user}"),
            user: Some(user),
            member: None,
            status: TaskStatus::Queued,
            cause: "group_membership".to_owned(),
            request_id: Some("request-1".to_owned()),
            effect: Effect {
                role: Some("editor".to_owned()),
                ..Effect::new(
                    TaskKind::Add,
                    Principal { user_name: email.to_owned(), email: email.to_owned(), ..Principal::default() },
                )
            },
            reasons: Vec::new(),
            priority: 10,
            not_before: now,
            attempts: 0,
            crashes: 0,
            verify_first: false,
            lease_boot: None,
            lease_epoch: 0,
            hold: None,
            superseded_by: None,
            error_class: None,
            error_detail: None,
            instructions: None,
            created_at: now,
            modified_at: now,
            finished_at: None,
            closing: None,
            parent: None,
            due_at: None,
        }
    }
}
