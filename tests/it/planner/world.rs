//! One workspace with a hub, an IdP that is a few calls long, and a planner to step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use scimhub::base::clock::{Clock, Micros, TestClock};
use scimhub::base::ids::{GroupId, HubId, MappingId, SourceId, UserId, WorkspaceId};
use scimhub::base::nudge::Nudge;
use scimhub::base::random::Ids;
use scimhub::domain::caller::{Caller, Preset};
use scimhub::domain::catalog::Catalog;
use scimhub::domain::hub::{Hub, HubMode, HubPolicy, Login};
use scimhub::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use scimhub::domain::member::{Member, MemberStatus, Presence};
use scimhub::domain::task::{Task, TaskKind, TaskStatus};
use scimhub::engine::planner::{Planner, PlannerStep};
use scimhub::scim::resource::Object;
use scimhub::scim::{group, user};
use scimhub::service::Context;
use scimhub::store::marks::Change;
use scimhub::store::memberships::{Leaving, MemberKind};
use scimhub::store::{
    Store, StoreError, Tx, groups, holds, hub_members, hubs, mappings, marks, memberships, schema, sources, task_list,
    users, workspaces,
};

use crate::support::{Database, databases};

pub const SETTLE: Duration = Duration::from_secs(60);

const APP: &str = "id='ranked'\nname='Ranked'\nconnector='scim'\nlogins=['sso']\nsettle_seconds=60\n\
    [tasks]\nsync=true\nadd=true\nupdate_role=true\nremove=true\n\
    [[roles]]\nid='viewer'\nlabel='Viewer'\nrank=1\n\
    [[roles]]\nid='editor'\nlabel='Editor'\nrank=2\n\
    [[roles]]\nid='admin'\nlabel='Admin'\nrank=3\nadmin=true\n";

pub struct World {
    pub database: Database,
    pub store: Store,
    pub clock: Arc<TestClock>,
    pub ids: Ids,
    pub planner: Planner,
    pub workspace: WorkspaceId,
    pub source: SourceId,
    pub hub: Hub,
}

pub fn document(value: &serde_json::Value) -> Object {
    value.as_object().unwrap().clone()
}

impl World {
    /// A world on each database there is.
    pub async fn each(preset: Preset) -> Vec<Self> {
        let mut worlds = Vec::new();
        for database in databases() {
            worlds.push(Self::on(database, preset).await);
        }
        worlds
    }

    pub async fn on(database: Database, preset: Preset) -> Self {
        let store = Store::open(&database.url).unwrap();
        let clock = TestClock::at(Micros(1_763_867_400_000_000));
        let ids = Ids::new(clock.clone());
        std::fs::write(database.folder().join("ranked.toml"), APP).unwrap();
        let catalog = Arc::new(Catalog::load_dir(database.folder()).unwrap());
        let planner = Planner::new(store.clone(), catalog, clock.clone(), ids.clone(), Nudge::default());
        let now = clock.now();
        let hub = Hub {
            id: HubId::from_uuid(ids.next()),
            slug: "ads".parse().unwrap(),
            app: "ranked".into(),
            label: "Ads".into(),
            login: Login::Sso,
            mode: HubMode::Active,
            paused: false,
            settle: SETTLE,
            connection: BTreeMap::new(),
            policy: HubPolicy::default(),
            owner: None,
            file_ref: None,
            revision: 1,
        };
        let stored = hub.clone();
        let (workspace, source) = store
            .write(move |tx| {
                let workspace = workspaces::insert(tx, "planning", now)?.id;
                let source = sources::insert(tx, workspace, "idp", preset, false, now)?.id;
                hubs::insert(tx, workspace, &stored, now)?;
                Ok::<_, StoreError>((workspace, source))
            })
            .await
            .unwrap();
        Self { database, store, clock, ids, planner, workspace, source, hub }
    }

    /// The use cases on this database, with these apps, and a caller who may do everything.
    pub async fn service(&self, catalog: Catalog) -> (Context, Caller) {
        let mut context = Context::new(self.store.clone(), Arc::new(catalog), Nudge::default(), "http://test");
        context.clock = self.clock.clone();
        context.ids = self.ids.clone();
        let caller = scimhub::service::workspaces::local_caller(&context, "planning").await.unwrap();
        (context, caller)
    }

    /// The catalog of the world's own app.
    pub fn catalog(&self) -> Catalog {
        Catalog::load_dir(self.database.folder()).unwrap()
    }

    pub fn name(&self) -> &'static str {
        self.database.name
    }

    /// One more hub of the same app, active.
    pub async fn another_hub(&self, slug: &str) -> Hub {
        let hub = Hub { id: HubId::from_uuid(self.ids.next()), slug: slug.parse().unwrap(), ..self.hub.clone() };
        let (workspace, now, stored) = (self.workspace, self.clock.now(), hub.clone());
        self.write(move |tx| hubs::insert(tx, workspace, &stored, now)).await;
        hub
    }

    /// Another policy for the hub, as a person would set it.
    pub async fn set_policy(&self, policy: HubPolicy) {
        let hub = Hub { policy, ..self.hub.clone() };
        let (workspace, now) = (self.workspace, self.clock.now());
        self.write(move |tx| {
            hubs::update(tx, workspace, &hub, now)?;
            marks::hub_changed(tx, workspace, hub.id, &change("hub_changed", now))
        })
        .await;
    }

    /// A second planner on the same database: another replica.
    pub fn another_planner(&self) -> Planner {
        let store = Store::open(&self.database.url).unwrap();
        let catalog = Arc::new(Catalog::load_dir(self.database.folder()).unwrap());
        Planner::new(store, catalog, self.clock.clone(), self.ids.clone(), Nudge::default())
    }

    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        // Each event at a moment of its own, as from an IdP.
        self.clock.advance(Duration::from_millis(1));
        self.store.write(work).await.unwrap()
    }

    pub async fn user(&self, name: &str) -> UserId {
        self.user_with(name, serde_json::json!({"userName": name})).await
    }

    pub async fn user_with(&self, name: &str, value: serde_json::Value) -> UserId {
        let id = UserId::from_uuid(self.ids.next());
        let (workspace, source, now) = (self.workspace, self.source, self.clock.now());
        let document = document(&value);
        let keys = user::keys(&document).unwrap();
        assert_eq!(keys.user_name, name);
        let text = serde_json::to_string(&document).unwrap();
        self.write(move |tx| {
            users::insert(tx, workspace, source, id, &keys, &text, now)?;
            marks::user_arrived(tx, workspace, id, &keys.user_name_key, &change("user_created", now))
        })
        .await;
        id
    }

    pub async fn users(&self, count: usize) -> Vec<UserId> {
        let (workspace, source, now) = (self.workspace, self.source, self.clock.now());
        let ids: Vec<UserId> = (0..count).map(|_| UserId::from_uuid(self.ids.next())).collect();
        let made = ids.clone();
        self.write(move |tx| {
            for (number, id) in made.iter().enumerate() {
                let document = document(&serde_json::json!({"userName": format!("user-{number}-{id}@example.com")}));
                let keys = user::keys(&document).unwrap();
                users::insert(tx, workspace, source, *id, &keys, &serde_json::to_string(&document).unwrap(), now)?;
            }
            Ok(())
        })
        .await;
        ids
    }

    pub async fn group(&self, name: &str) -> GroupId {
        self.group_of(self.source, name).await
    }

    pub async fn group_of(&self, source: SourceId, name: &str) -> GroupId {
        let id = GroupId::from_uuid(self.ids.next());
        let (workspace, now) = (self.workspace, self.clock.now());
        let document = document(&serde_json::json!({"displayName": name}));
        let keys = group::keys(&document).unwrap();
        let text = serde_json::to_string(&document).unwrap();
        self.write(move |tx| {
            groups::insert(tx, workspace, source, id, &keys, &text, now)?;
            let change = change("group_created", now);
            marks::group_arrived(tx, workspace, source, id, &keys.display_name_key, None, &change)
        })
        .await;
        id
    }

    pub async fn join(&self, group: GroupId, people: &[UserId]) {
        let (workspace, people) = (self.workspace, people.to_vec());
        self.clock.advance(Duration::from_millis(1));
        let now = self.clock.now();
        self.write(move |tx| {
            let members: Vec<_> =
                people.iter().map(|user| memberships::Member { id: user.uuid(), kind: MemberKind::User }).collect();
            memberships::add(tx, workspace, group, &members, now)?;
            marks::members_changed(tx, workspace, group, &people, &change("group_membership", now))
        })
        .await;
    }

    pub async fn leave(&self, group: GroupId, people: &[UserId]) {
        let (workspace, people) = (self.workspace, people.to_vec());
        self.clock.advance(Duration::from_millis(1));
        let now = self.clock.now();
        self.write(move |tx| {
            let ids: Vec<_> = people.iter().map(|user| user.uuid()).collect();
            memberships::remove(tx, workspace, group, Leaving::These(&ids))?;
            marks::members_changed(tx, workspace, group, &people, &change("group_membership", now))
        })
        .await;
    }

    pub async fn delete_group(&self, group: GroupId) {
        let workspace = self.workspace;
        let now = self.clock.now();
        self.write(move |tx| {
            marks::group_deleted(tx, workspace, group, &change("group_deleted", now))?;
            memberships::clear(tx, workspace, group)?;
            diesel::delete(schema::user_groups::table.find((workspace.0, group.bytes()))).execute(&mut **tx)?;
            Ok(())
        })
        .await;
    }

    pub async fn set_active(&self, user: UserId, active: bool) {
        let workspace = self.workspace;
        self.clock.advance(Duration::from_millis(1));
        let now = self.clock.now();
        self.write(move |tx| {
            let row = schema::users::table.find((workspace.0, user.bytes()));
            diesel::update(row.clone()).set(schema::users::active.eq(active)).execute(&mut **tx)?;
            if !active {
                diesel::update(row).set(schema::users::deactivated_at.eq(Some(now.0))).execute(&mut **tx)?;
            }
            marks::user_changed(tx, workspace, user, &change("activation", now))
        })
        .await;
    }

    pub async fn delete_user(&self, user: UserId) {
        let workspace = self.workspace;
        let now = self.clock.now();
        self.write(move |tx| {
            marks::user_changed(tx, workspace, user, &change("user_deleted", now))?;
            memberships::remove_everywhere(tx, workspace, user.uuid(), now)?;
            users::delete(tx, workspace, user, now)
        })
        .await;
    }

    pub fn mapping(&self, subject: SubjectName, source: Option<SourceId>, role: &str) -> Mapping {
        Mapping {
            id: MappingId::from_uuid(self.ids.next()),
            hub: self.hub.id,
            subject,
            source,
            binding: Binding::Waiting,
            scope: None,
            hub_role: HubRole::Collaborator,
            app_role: role.into(),
            seat: true,
            assets: Vec::new(),
            owner: None,
            file_ref: None,
            confirmed_at: self.clock.now(),
        }
    }

    /// Store a mapping the way a use case does: find the subject, insert, mark the hub.
    pub async fn map(&self, mut mapping: Mapping) -> MappingId {
        let (workspace, now, id) = (self.workspace, self.clock.now(), mapping.id);
        self.write(move |tx| {
            mapping.binding = mappings::find_subject(tx, workspace, &mapping.subject, mapping.source)?;
            mappings::insert(tx, workspace, &mapping, now)?;
            marks::hub_changed(tx, workspace, mapping.hub, &change("mapping_changed", now))
        })
        .await;
        id
    }

    pub async fn map_group(&self, name: &str, role: &str) -> MappingId {
        self.map(self.mapping(SubjectName::Group(name.into()), None, role)).await
    }

    pub async fn binding(&self, id: MappingId) -> Binding {
        let workspace = self.workspace;
        self.store.read(move |conn| mappings::load(conn, workspace, id)).await.unwrap().binding
    }

    /// A group of this role with these members, mapped, planned and pushed.
    pub async fn onboarded(&self, role: &str, count: usize) -> (GroupId, Vec<UserId>) {
        let group = self.group(role).await;
        self.map_group(role, role).await;
        let people = self.users(count).await;
        self.join(group, &people).await;
        self.settle().await;
        (group, people)
    }

    pub async fn plan(&self) -> PlannerStep {
        self.planner.step().await.unwrap()
    }

    pub async fn tasks(&self, statuses: &[TaskStatus]) -> Vec<Task> {
        let filter = task_list::TaskFilter { statuses: statuses.to_vec(), ..task_list::TaskFilter::default() };
        let workspace = self.workspace;
        let mut found =
            self.store.read(move |conn| task_list::page(conn, workspace, &filter, None, 10_000)).await.unwrap();
        found.reverse();
        found
    }

    /// `ADD viewer`, `REMOVE` … of the tasks in these statuses, oldest first.
    pub async fn words(&self, statuses: &[TaskStatus]) -> Vec<String> {
        self.tasks(statuses).await.iter().map(word).collect()
    }

    pub async fn member(&self, user: UserId) -> Option<Member> {
        let (workspace, hub) = (self.workspace, self.hub.id);
        self.store.read(move |conn| hub_members::by_user(conn, workspace, hub, user)).await.unwrap()
    }

    pub async fn mark(&self, user: UserId) -> Option<marks::Mark> {
        let (workspace, hub) = (self.workspace, self.hub.id);
        self.store.read(move |conn| marks::of_pair(conn, workspace, hub, user)).await.unwrap()
    }

    /// Do what the queued tasks say, as a worker and an app would.
    pub async fn work(&self) -> usize {
        let queued = self.tasks(&[TaskStatus::Queued]).await;
        let count = queued.len();
        self.finish(queued).await;
        count
    }

    /// Do what these tasks say.
    pub async fn finish(&self, tasks: Vec<Task>) {
        let (workspace, now) = (self.workspace, self.clock.now());
        self.write(move |tx| {
            for task in &tasks {
                let mut member = hub_members::load(tx, workspace, task.member.unwrap())?;
                member.status = MemberStatus::Settled;
                match task.effect.kind {
                    TaskKind::Remove if task.effect.suspend => member.known = Presence::Suspended,
                    TaskKind::Remove => {
                        member.known = Presence::Absent;
                        member.known_role = None;
                        member.reasons = Vec::new();
                        holds::seat_freed(tx, workspace, task.hub, now)?;
                    }
                    TaskKind::Add | TaskKind::UpdateRole | TaskKind::Sync => {
                        member.known = Presence::Active;
                        member.known_role = task.effect.role.clone();
                        member.reasons = task.reasons.clone();
                    }
                }
                hub_members::update(tx, workspace, &member, "task", now)?;
                set_status(tx, task, TaskStatus::Completed)?;
                marks::touch(tx, workspace, task.hub, task.user.unwrap(), now)?;
            }
            Ok(())
        })
        .await;
    }

    /// Plan and work until nothing is due.
    pub async fn settle(&self) {
        for _ in 0..20 {
            self.plan().await;
            if self.work().await == 0 {
                return;
            }
        }
        panic!("does not come to rest");
    }

    pub async fn put(&self, task: &Task, status: TaskStatus) {
        let task = task.clone();
        self.write(move |tx| set_status(tx, &task, status)).await;
    }
}

pub fn change(cause: &str, now: Micros) -> Change<'_> {
    Change { cause, request_id: Some("request-1"), now }
}

pub fn word(task: &Task) -> String {
    let role = task.effect.role.as_deref().unwrap_or("-");
    match task.effect.kind {
        TaskKind::Add => format!("ADD {role}"),
        TaskKind::UpdateRole => format!("UPDATE {role}"),
        TaskKind::Remove => "REMOVE".into(),
        TaskKind::Sync => "SYNC".into(),
    }
}

fn set_status(tx: &mut Tx<'_>, task: &Task, status: TaskStatus) -> Result<(), StoreError> {
    diesel::update(schema::tasks::table.find((task.workspace.0, task.id.bytes())))
        .set(schema::tasks::status.eq(status.as_str()))
        .execute(&mut **tx)?;
    Ok(())
}
