//! One history from one seed: an identity provider that does as it likes, an app that fails and is
//! changed by hand, processes that die, and a clock that only the history moves.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use scimhub::base::clock::{Clock as _, Micros, TestClock};
use scimhub::base::ids::BootId;
use scimhub::base::nudge::Nudge;
use scimhub::base::random::Ids;
use scimhub::domain::caller::{Caller, Preset, Scope};
use scimhub::domain::catalog::Catalog;
use scimhub::engine::connector::NoSteps;
use scimhub::engine::lease::Pace;
use scimhub::engine::planner::Planner;
use scimhub::engine::recording::Recording;
use scimhub::engine::worker::{NoMeter, Worker};
use scimhub::service::{self, Context};
use scimhub::store::lanes::Company;
use scimhub::store::{Store, StoreConfig, StoreError, hub_members, hubs, sources, workspaces};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::app::{App, Plugs};
use super::chance::Chance;
use super::model::Model;

/// The hub's id.
pub const HUB: &str = "hub";
const WORKSPACE: &str = "simulated";
const BEGINNING: Micros = Micros(1_763_867_400_000_000);

const APP: &str = "id='simulated'\nname='Simulated'\nconnector='scim'\nlogins=['sso']\nsettle_seconds=60\n\
    [tasks]\nsync=true\nadd=true\nupdate_role=true\nremove=true\n\
    [[roles]]\nid='viewer'\nlabel='Viewer'\nrank=1\n\
    [[roles]]\nid='editor'\nlabel='Editor'\nrank=2\n\
    [[roles]]\nid='admin'\nlabel='Admin'\nrank=3\n";

/// Everything one history needs.
pub struct World {
    pub chance: Arc<Chance>,
    pub clock: Arc<TestClock>,
    pub app: Arc<App>,
    pub model: Model,
    pub context: Context,
    /// A person who steers.
    pub admin: Caller,
    /// The identity provider.
    pub idp: Caller,
    pub log: Vec<String>,
    planner: Planner,
    worker: Worker,
}

impl World {
    /// A workspace with one active hub, in the migrated database file given.
    pub async fn new(seed: u64, catalog: Arc<Catalog>, database: &Path) -> Self {
        let chance = Arc::new(Chance::new(seed));
        let clock = TestClock::at(BEGINNING);
        let config = StoreConfig::new(&format!("sqlite:{}", database.display()));
        let store = Store::open_with(StoreConfig { clock: clock.clone(), ..config }).unwrap();
        let ids = Ids::repeatable(clock.clone(), chance.bits());
        let regains = chance.percent(50);
        let preset = if regains { Preset::Entra } else { Preset::Okta };
        let now = clock.now();
        store
            .write(move |tx| {
                let workspace = workspaces::insert(tx, WORKSPACE, now)?.id;
                sources::insert(tx, workspace, "idp", preset, false, now)?;
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let nudge = Nudge::default();
        let mut context = Context::new(store.clone(), Arc::clone(&catalog), nudge.clone(), "http://simulated");
        context.clock = clock.clone();
        context.ids = ids.clone();
        let admin = service::workspaces::local_caller(&context, WORKSPACE).await.unwrap();
        let idp = Caller { scope: Scope::Scim, ..admin.clone() };
        // The guard is set, not left to its defaults: sometimes it never holds a small hub's
        // removals by number, sometimes two are too many.
        let limit = if chance.percent(50) { 1000 } else { 2 };
        let hub = json!({"id": HUB, "app": "simulated", "mode": "active", "settle": "60s",
            "policy": {"removal_limit": limit, "removal_percent": 20, "drift": "repair", "sync_threshold_percent": 100}});
        service::hubs::create(&context, &admin, serde_json::from_value(hub).unwrap()).await.unwrap();
        let app = Arc::new(App::new(Arc::clone(&chance)));
        let worker = Worker {
            store: store.clone(),
            connectors: Arc::new(Plugs(Arc::clone(&app))),
            secrets: Arc::new(|_, _, _| Ok(std::collections::BTreeMap::new())),
            boot: BootId::from_uuid(ids.next()),
            ids: ids.clone(),
            clock: clock.clone(),
            dice: chance.clone(),
            nudge: nudge.clone(),
            steps: Arc::new(NoSteps),
            pace: Pace::default(),
            meter: Arc::new(NoMeter),
            recording: Recording::default(),
        };
        let planner = Planner::new(store, catalog, clock.clone(), ids, nudge);
        let model = Model { regains, ..Model::default() };
        Self { chance, clock, app, model, context, admin, idp, log: Vec::new(), planner, worker }
    }

    /// What happens is told where a seed fails.
    pub fn tell(&mut self, what: impl Into<String>) {
        let at = self.clock.now().since(BEGINNING).as_secs();
        self.log.push(format!("{at:>7} s  {}", what.into()));
    }

    /// Time passes.
    pub fn wait(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// The row of somebody's account.
    pub async fn member(&self, user: &str) -> Option<String> {
        let (workspace, user) = (self.admin.workspace, user.parse().ok()?);
        let found = self.context.store.read(move |conn| {
            let hub = hubs::by_slug(conn, workspace, HUB)?.id;
            hub_members::by_user(conn, workspace, hub, user)
        });
        found.await.unwrap().map(|member| member.id.to_string())
    }

    /// Plan what is due.
    pub async fn plan(&mut self) -> usize {
        let step = self.planner.step().await.unwrap();
        step.planned + step.expanded
    }

    /// One attempt, or the death of the process within it. Answers whether there was one.
    pub async fn attempt(&mut self) -> bool {
        let Some(claimed) = self.worker.claim(1, Company::Many).await.unwrap().tasks.pop() else {
            let Some(claimed) = self.worker.claim(1, Company::Alone).await.unwrap().tasks.pop() else { return false };
            self.run(claimed).await;
            return true;
        };
        self.run(claimed).await;
        true
    }

    async fn run(&mut self, claimed: scimhub::engine::claim::Claimed) {
        let (worker, app) = (self.worker.clone(), Arc::clone(&self.app));
        let never = CancellationToken::new();
        tokio::select! {
            () = worker.attempt(claimed, &never) => {}
            () = app.dying.notified() => self.restart().await,
        }
    }

    /// The process is gone; the next one looks through the leases before it claims.
    async fn restart(&mut self) {
        self.tell("the process dies");
        self.worker.boot = BootId::from_uuid(self.worker.ids.next());
        self.sweep().await;
    }

    /// Take back leases, and let go what waited for its time.
    pub async fn sweep(&mut self) {
        self.worker.sweep().await.unwrap();
    }
}

/// The one app, read from a manifest like any other. Once for all histories: one that is read while
/// another thread writes it is empty.
pub fn catalog(folder: &Path) -> Catalog {
    std::fs::write(folder.join("simulated.toml"), APP).unwrap();
    Catalog::load_dir(folder).unwrap()
}
