//! A bench for the engine: hubs and tasks in a real database, and an app in memory that records
//! every call, behaves as told, and is as forgetful as real ones (no idempotency keys).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use scimhub::base::clock::{Micros, SharedClock, SystemClock};
use scimhub::base::ids::{BootId, HubId, TaskId, UserId, WorkspaceId};
use scimhub::base::nudge::Nudge;
use scimhub::base::random::{Dice, Ids};
use scimhub::base::secret::SecretString;
use scimhub::domain::hub::{Hub, HubMode, HubPolicy, Login};
use scimhub::domain::member::Presence;
use scimhub::domain::slots::Slots;
use scimhub::domain::task::{Effect, Principal, Task, TaskKind, TaskStatus};
use scimhub::engine::connector::{
    AttemptContext, Capabilities, Checked, Connector, Connectors, Failure, FailureClass, NoSteps, Outcome, Page,
    RemoteMember, Seen,
};
use scimhub::engine::lease::Pace;
use scimhub::engine::recording::Recording;
use scimhub::engine::worker::{NoMeter, Worker};
use scimhub::store::claims::Wish;
use scimhub::store::lanes::{Company, Lane};
use scimhub::store::{Store, StoreConfig, StoreError, hubs, lanes, task_list, tasks, workspaces};

use crate::support::Database;

/// Dice that always show the same.
#[derive(Debug)]
pub struct Fixed(pub f64);

impl Dice for Fixed {
    fn roll(&self) -> f64 {
        self.0
    }
}

/// What the app does with one call.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Nothing, and says so.
    Fail(Failure),
    /// The work, and then fails all the same: the reply is lost.
    WorkThenFail(Failure),
    /// Something else than asked.
    Answer(Outcome),
    /// The connector has a mistake.
    Panic,
    /// Never an answer; nothing was sent.
    Hang,
    /// The work, but never an answer.
    WorkThenHang,
}

/// Everything that happened, in order: `apply` or `verify`, hub, e-mail, kind.
pub type Call = (&'static str, HubId, String, TaskKind);

#[derive(Default)]
struct Inside {
    accounts: HashMap<(HubId, String), Vec<Option<String>>>,
    calls: Vec<Call>,
    next: HashMap<String, VecDeque<Behaviour>>,
    always: HashMap<String, Behaviour>,
    in_flight: HashMap<HubId, usize>,
    most: HashMap<HubId, usize>,
}

/// The app. Accounts are a list per e-mail: a second one would be a duplicate effect.
#[derive(Default)]
pub struct App {
    inside: Mutex<Inside>,
    blind: AtomicBool,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("App")
    }
}

impl App {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The next call for this person goes so.
    pub fn next(&self, email: &str, behaviour: Behaviour) {
        self.inside().next.entry(email.to_owned()).or_default().push_back(behaviour);
    }

    /// Every call for this person goes so.
    pub fn always(&self, email: &str, behaviour: Behaviour) {
        self.inside().always.insert(email.to_owned(), behaviour);
    }

    /// Calls behave from now on.
    pub fn mend(&self) {
        let mut inside = self.inside();
        inside.next.clear();
        inside.always.clear();
    }

    /// The app no longer tells what it holds.
    pub fn blind(&self) {
        self.blind.store(true, Ordering::SeqCst);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.inside().calls.clone()
    }

    pub fn applied(&self, email: &str) -> usize {
        self.inside().calls.iter().filter(|call| call.0 == "apply" && call.2 == email).count()
    }

    /// Accounts of one person in one hub.
    pub fn accounts(&self, hub: HubId, email: &str) -> Vec<Option<String>> {
        self.inside().accounts.get(&(hub, email.to_owned())).cloned().unwrap_or_default()
    }

    /// The most calls that were ever in flight at once in this hub.
    pub fn most(&self, hub: HubId) -> usize {
        self.inside().most.get(&hub).copied().unwrap_or_default()
    }

    fn work(&self, hub: HubId, effect: &Effect) -> Option<RemoteMember> {
        let email = effect.principal.email.clone();
        let mut inside = self.inside();
        let accounts = inside.accounts.entry((hub, email.clone())).or_default();
        match effect.kind {
            TaskKind::Add => accounts.push(effect.role.clone()),
            TaskKind::UpdateRole => {
                if let Some(account) = accounts.first_mut() {
                    *account = effect.role.clone();
                }
            }
            TaskKind::Remove => accounts.clear(),
            TaskKind::Sync => {}
        }
        (effect.kind != TaskKind::Remove).then(|| remote(&email, effect.role.clone(), Presence::Active))
    }
}

pub fn remote(email: &str, role: Option<String>, presence: Presence) -> RemoteMember {
    RemoteMember {
        assets: None,
        remote_id: format!("r-{email}"),
        user_name: Some(email.to_owned()),
        email: Some(email.to_owned()),
        name: None,
        role,
        presence,
        expires_at: None,
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
        "recording"
    }

    fn describe(&self) -> Capabilities {
        Capabilities {
            list: true,
            invites: false,
            role_change_while_pending: true,
            suspend: true,
            write_concurrency: 9,
        }
    }

    async fn check(&self, _context: &AttemptContext) -> Result<Checked, Failure> {
        Ok(Checked::default())
    }

    async fn list(&self, _cursor: Option<String>, _context: &AttemptContext) -> Result<Page, Failure> {
        Ok(Page::default())
    }

    async fn apply(&self, effect: &Effect, context: &AttemptContext) -> Result<Outcome, Failure> {
        let email = effect.principal.email.clone();
        let behaviour = {
            let mut inside = self.app.inside();
            inside.calls.push(("apply", self.hub, email.clone(), effect.kind));
            let now = inside.in_flight.entry(self.hub).or_default();
            *now += 1;
            let now = *now;
            let most = inside.most.entry(self.hub).or_default();
            *most = now.max(*most);
            let next = inside.next.get_mut(&email).and_then(VecDeque::pop_front);
            next.or_else(|| inside.always.get(&email).cloned())
        };
        // An app takes its time; calls that may be in flight together are.
        tokio::time::sleep(Duration::from_millis(2)).await;
        *self.app.inside().in_flight.entry(self.hub).or_default() -= 1;
        match behaviour {
            None => {
                context.before_send()?;
                let member = self.app.work(self.hub, effect);
                context.after_reply();
                Ok(Outcome::Applied(member))
            }
            Some(Behaviour::Fail(failure)) => Err(failure),
            Some(Behaviour::WorkThenFail(failure)) => {
                context.before_send()?;
                self.app.work(self.hub, effect);
                Err(failure)
            }
            Some(Behaviour::Answer(outcome)) => Ok(outcome),
            Some(Behaviour::Panic) => panic!("a mistake in a connector"),
            Some(Behaviour::Hang) => std::future::pending().await,
            Some(Behaviour::WorkThenHang) => {
                context.before_send()?;
                self.app.work(self.hub, effect);
                std::future::pending().await
            }
        }
    }

    async fn verify(&self, intent: &Effect, _context: &AttemptContext) -> Result<Seen, Failure> {
        let email = intent.principal.email.clone();
        let mut inside = self.app.inside();
        inside.calls.push(("verify", self.hub, email.clone(), intent.kind));
        if self.app.blind.load(Ordering::SeqCst) {
            return Ok(Seen::Unknown);
        }
        let held = inside.accounts.get(&(self.hub, email.clone())).and_then(|accounts| accounts.first().cloned());
        let member = held.clone().map(|role| remote(&email, role, Presence::Active));
        let holds = match intent.kind {
            TaskKind::Add | TaskKind::UpdateRole => held.is_some_and(|role| role == intent.role),
            TaskKind::Remove => held.is_none(),
            TaskKind::Sync => true,
        };
        Ok(if holds { Seen::Holds(member) } else { Seen::DoesNotHold(member) })
    }
}

/// Plugs every hub into the same app.
#[derive(Debug)]
pub struct Plugs(pub Arc<App>);

impl Connectors for Plugs {
    fn connect(&self, hub: &Hub, _secrets: &BTreeMap<String, SecretString>) -> Result<Arc<dyn Connector>, Failure> {
        if hub.connection.contains_key("broken") {
            return Err(Failure::new(FailureClass::AuthBroken, "the secret is missing"));
        }
        Ok(Arc::new(Plug { app: Arc::clone(&self.0), hub: hub.id }))
    }

    fn instructions(&self, hub: &Hub, task: &Task) -> String {
        format!("{} {} in {}", task.effect.kind.as_str(), task.effect.principal.email, hub.label)
    }
}

/// Database, app and a worker.
pub struct Bench {
    pub app: Arc<App>,
    pub worker: Worker,
    pub workspace: WorkspaceId,
    /// `sqlite` or `postgres`.
    pub database: &'static str,
}

impl Bench {
    /// On the machine's clock.
    pub async fn new(database: &Database) -> Self {
        Self::at(database, Arc::new(SystemClock::new())).await
    }

    pub async fn at(database: &Database, clock: SharedClock) -> Self {
        let store = Store::open_with(StoreConfig { clock: Arc::clone(&clock), ..database.config() }).unwrap();
        let now = clock.now();
        let workspace = store
            .write(move |tx| match workspaces::by_name(tx, "bench")? {
                Some(found) => Ok::<_, StoreError>(found),
                None => workspaces::insert(tx, "bench", now),
            })
            .await
            .unwrap();
        let app = Arc::new(App::default());
        let ids = Ids::new(Arc::clone(&clock));
        let worker = Worker {
            store,
            connectors: Arc::new(Plugs(Arc::clone(&app))),
            secrets: Arc::new(|_, _, _| Ok(BTreeMap::new())),
            boot: BootId::from_uuid(ids.next()),
            ids,
            clock,
            dice: Arc::new(Fixed(0.0)),
            nudge: Nudge::default(),
            steps: Arc::new(NoSteps),
            pace: Pace { poll: Duration::from_millis(20), ..Pace::default() },
            meter: Arc::new(NoMeter),
            recording: Recording::default(),
        };
        Self { app, worker, workspace: workspace.id, database: database.name }
    }

    /// Leases and attempts so short that a test can wait for their end.
    pub fn hurry(mut self) -> Self {
        self.worker.pace.attempt = Duration::from_millis(250);
        self.worker.pace.grace = Duration::from_millis(50);
        self
    }

    /// Another process on the same database and app.
    pub fn twin(&self) -> Worker {
        let mut twin = self.worker.clone();
        twin.boot = BootId::from_uuid(twin.ids.next());
        twin
    }

    pub async fn hub(&self, slug: &str, policy: HubPolicy) -> HubId {
        self.hub_in(self.workspace, slug, policy).await
    }

    pub async fn hub_in(&self, workspace: WorkspaceId, slug: &str, policy: HubPolicy) -> HubId {
        let hub = Hub {
            id: HubId::from_uuid(self.worker.ids.next()),
            slug: slug.parse().unwrap(),
            app: "sandbox".to_owned(),
            label: slug.to_owned(),
            login: Login::Sso,
            mode: HubMode::Active,
            paused: false,
            settle: Duration::ZERO,
            connection: BTreeMap::new(),
            policy,
            owner: None,
            file_ref: None,
            revision: 1,
        };
        let (id, now) = (hub.id, self.now());
        self.worker.store.write(move |tx| hubs::insert(tx, workspace, &hub, now)).await.unwrap();
        id
    }

    pub fn now(&self) -> Micros {
        self.worker.clock.now()
    }

    /// A queued task for a person of this name.
    pub fn task(&self, hub: HubId, email: &str, kind: TaskKind) -> Task {
        let now = self.now();
        let user = UserId::from_uuid(self.worker.ids.next());
        Task {
            workspace: self.workspace,
            id: TaskId::from_uuid(self.worker.ids.next()),
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
                    kind,
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

    pub async fn put(&self, task: Task) -> TaskId {
        let id = task.id;
        self.worker.store.write(move |tx| tasks::insert(tx, &task)).await.unwrap();
        id
    }

    /// Queue an `add`.
    pub async fn add(&self, hub: HubId, email: &str) -> TaskId {
        self.put(self.task(hub, email, TaskKind::Add)).await
    }

    /// Queue `count` adds at once.
    pub async fn crowd(&self, hub: HubId, count: usize) {
        let crowd: Vec<_> = (0..count).map(|n| self.task(hub, &format!("p{n}@{hub}.example"), TaskKind::Add)).collect();
        self.worker.store.write(move |tx| crowd.iter().try_for_each(|task| tasks::insert(tx, task))).await.unwrap();
    }

    pub async fn load(&self, id: TaskId) -> Task {
        let workspace = self.workspace;
        self.worker.store.read(move |conn| tasks::load(conn, workspace, id)).await.unwrap()
    }

    pub async fn lane(&self, hub: HubId) -> Lane {
        let workspace = self.workspace;
        self.worker.store.read(move |conn| lanes::load(conn, workspace, hub)).await.unwrap().unwrap()
    }

    /// How many tasks of the workspace stand in `status`.
    pub async fn count(&self, status: TaskStatus) -> i64 {
        let workspace = self.workspace;
        let counts = self.worker.store.read(move |conn| task_list::counts(conn, workspace, None)).await.unwrap();
        counts.into_iter().find(|(found, _)| *found == status).map_or(0, |(_, count)| count)
    }

    /// Step until nothing is claimable.
    pub async fn settle(&self) {
        while self.worker.step().await.unwrap() > 0 {}
    }
}

/// What this worker would take, with so many places.
pub fn wish(worker: &Worker, places: usize, company: Company) -> Wish {
    Wish {
        boot: worker.boot,
        now: worker.clock.now(),
        lease_now: worker.store.own_lease_now(),
        lease: Duration::from_secs(60),
        slots: Slots::all(places),
        company,
    }
}

/// A failure of this class.
pub fn failure(class: FailureClass) -> Failure {
    Failure::new(class, "as the test wants it")
}
