//! What a SCIM change marks, in its own transaction: exactly the people it concerns, and nobody
//! when nothing changed or the request was refused. No planner runs here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::prelude::*;
use scimhub::base::clock::{Micros, SharedClock, TestClock};
use scimhub::base::ids::{HubId, MappingId, SourceId, WorkspaceId};
use scimhub::base::nudge::Nudge;
use scimhub::domain::catalog::Catalog;
use scimhub::domain::hub::{Hub, HubMode, HubPolicy, Login};
use scimhub::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use scimhub::scim::dialect::Dialect;
use scimhub::scim::query::Projection;
use scimhub::service::shown::Conditions;
use scimhub::service::{Caller, Context, Preset, Scope, ServiceError, groups, users, workspaces};
use scimhub::store::schema::{activity, memberships, reconcile_marks};
use scimhub::store::tx::StoreConfig;
use scimhub::store::{Store, StoreError, hubs, mappings};
use serde_json::{Value, json};
use uuid::Uuid;

use super::scim_support::{add_members, group, patch, user};
use crate::support::{Database, databases};

const WORKSPACE: WorkspaceId = WorkspaceId(1);

pub(super) struct Bench {
    pub context: Context,
    pub caller: Caller,
    pub hub: HubId,
    clock: Arc<TestClock>,
}

impl Bench {
    /// A workspace with one hub and one mapping, waiting for a group called `team`.
    pub async fn open(database: &Database) -> Self {
        let clock = TestClock::at(Micros(1_763_867_400_000_000));
        let shared: SharedClock = clock.clone();
        let store = Store::open_with(StoreConfig { clock: shared, ..database.config() }).unwrap();
        let catalog = Arc::new(Catalog::builtin().unwrap());
        let context = Context::new(store, catalog, Nudge::default(), "http://scim.test");
        workspaces::ensure_default(&context.store, Micros(1)).await.unwrap();
        let hub = Hub {
            id: HubId::from_uuid(Uuid::now_v7()),
            slug: "hub".parse().unwrap(),
            app: "sandbox".into(),
            label: "Hub".into(),
            login: Login::Sso,
            mode: HubMode::Active,
            paused: false,
            settle: Duration::from_secs(60),
            connection: std::collections::BTreeMap::new(),
            policy: HubPolicy::default(),
            owner: None,
            file_ref: None,
            revision: 1,
        };
        let id = hub.id;
        let mapping = Mapping {
            id: MappingId::from_uuid(Uuid::now_v7()),
            hub: hub.id,
            subject: SubjectName::Group("team".into()),
            source: None,
            binding: Binding::Waiting,
            scope: None,
            hub_role: HubRole::Collaborator,
            app_role: "member".into(),
            seat: true,
            assets: Vec::new(),
            owner: None,
            file_ref: None,
            confirmed_at: Micros(1),
        };
        context
            .store
            .write(move |tx| {
                hubs::insert(tx, WORKSPACE, &hub, Micros(1))?;
                mappings::insert(tx, WORKSPACE, &mapping, Micros(1))
            })
            .await
            .unwrap();
        let caller = Caller {
            workspace: WORKSPACE,
            source: SourceId(1),
            source_preset: Preset::Okta,
            dialect: Dialect::tolerant(),
            scope: Scope::Scim,
            rights: scimhub::domain::rights::Rights::NOBODY,
            person: None,
            hub: None,
            partner: None,
            sight: scimhub::domain::caller::Sight::Nothing,
            token: None,
            request_id: "r1".into(),
        };
        Self { context, caller, hub: id, clock }
    }

    pub async fn user(&self, name: &str) -> String {
        let shown = users::create(&self.context, &self.caller, user(name), Projection::all()).await.unwrap();
        serde_json::from_str::<Value>(&shown.body).unwrap()["id"].as_str().unwrap().to_owned()
    }

    pub async fn change(&self, team: &str, body: Value) -> Result<usize, ServiceError> {
        self.clock.advance(Duration::from_secs(1));
        let all = Projection::all();
        groups::patch(&self.context, &self.caller, team, body, Conditions::default(), all).await.map(|c| c.pending)
    }

    /// Whom the changes since the last look marked, in key order; the marks are gone afterwards.
    pub async fn marked(&self) -> Vec<String> {
        let ids: Vec<Vec<u8>> = self
            .context
            .store
            .write(|tx| {
                let ids = reconcile_marks::table
                    .select(reconcile_marks::user_id)
                    .order(reconcile_marks::user_id)
                    .load(&mut **tx)?;
                diesel::delete(reconcile_marks::table).execute(&mut **tx)?;
                Ok::<_, StoreError>(ids)
            })
            .await
            .unwrap();
        ids.iter().map(|id| Uuid::from_slice(id).unwrap().hyphenated().to_string()).collect()
    }

    async fn records(&self) -> i64 {
        self.context.store.read(|conn| Ok::<_, StoreError>(activity::table.count().get_result(conn)?)).await.unwrap()
    }
}

#[tokio::test]
async fn a_change_marks_exactly_whom_it_concerns() {
    for database in databases() {
        let mut bench = Bench::open(&database).await;
        let (ann, bob, eve) = (bench.user("ann@x").await, bench.user("bob@x").await, bench.user("eve@x").await);
        assert!(bench.marked().await.is_empty(), "nobody is in a mapped group yet");
        // The mapping that waited for the group binds, and its members are marked.
        let all = Projection::all();
        let (shown, _) =
            groups::create(&bench.context, &bench.caller, group("Team", &[&ann]), all.clone()).await.unwrap();
        let team = serde_json::from_str::<Value>(&shown.body).unwrap()["id"].as_str().unwrap().to_owned();
        assert_eq!(bench.marked().await, std::slice::from_ref(&ann));

        bench.change(&team, add_members(&[&ann, &bob])).await.unwrap();
        assert_eq!(bench.marked().await, std::slice::from_ref(&bob), "only who is new");
        let records = bench.records().await;
        bench.change(&team, add_members(&[&ann, &bob])).await.unwrap();
        let swap = json!([
            { "op": "add", "path": "members", "value": [{ "value": eve }] },
            { "op": "remove", "path": format!("members[value eq \"{eve}\"]") },
        ]);
        bench.change(&team, patch(swap)).await.unwrap();
        assert_eq!((bench.marked().await.len(), bench.records().await - records), (0, 0), "nothing changed");

        // T-13: a refused request marks nobody and records nothing.
        bench.caller.dialect = Dialect::strict();
        let replace =
            json!([{ "op": "replace", "path": "members", "value": [{ "value": eve }, { "value": "nobody" }] }]);
        assert!(
            matches!(bench.change(&team, patch(replace.clone())).await, Err(ServiceError::Scim(e)) if e.status == 400)
        );
        assert_eq!((bench.marked().await.len(), bench.records().await - records), (0, 0), "refused");
        bench.caller.dialect = Dialect::tolerant();
        assert_eq!(bench.change(&team, patch(replace)).await.unwrap(), 1, "one is pending");
        let mut everybody = vec![ann.clone(), bob.clone(), eve.clone()];
        everybody.sort();
        assert_eq!(bench.marked().await, everybody, "two left, one came");
        assert_eq!(bench.records().await - records, 1);

        // A leaver, a user without a mapped group, and a deletion.
        let off = patch(json!([{ "op": "replace", "path": "active", "value": false }]));
        for (id, wanted) in [(&eve, vec![eve.clone()]), (&ann, vec![])] {
            let none = Conditions::default();
            users::patch(&bench.context, &bench.caller, id, off.clone(), none, all.clone()).await.unwrap();
            assert_eq!(bench.marked().await, wanted);
        }
        users::delete(&bench.context, &bench.caller, &eve, Conditions::default()).await.unwrap();
        assert_eq!(bench.marked().await, [eve], "marked before the rows went");
    }
}

/// The planner looks when somebody arrives whom a rule reaches: a directory's first push is thousands whom
/// none does, and a look for each took a fifth of its time.
#[tokio::test]
async fn the_planner_is_told_of_arrivals_that_a_rule_reaches() {
    for database in databases() {
        let bench = Bench::open(&database).await;
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        bench.context.nudge.relay_through(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let told = || told.swap(0, Ordering::SeqCst);
        bench.user("ann@x").await;
        assert_eq!((told(), bench.marked().await.len()), (0, 0), "{}: no rule reaches her", database.name);

        let all = Projection::all();
        groups::create(&bench.context, &bench.caller, group("team", &["ext-bob"]), all.clone()).await.unwrap();
        told();
        let mut bob = user("bob@x");
        bob["externalId"] = json!("ext-bob");
        users::create(&bench.context, &bench.caller, bob, all).await.unwrap();
        assert_eq!((told(), bench.marked().await.len()), (1, 1), "{}: the team waited for him", database.name);
    }
}

/// A member named again after a reactivation is confirmed and marked; the group's version stays.
#[tokio::test]
async fn naming_a_returned_member_confirms_it() {
    for database in databases() {
        let bench = Bench::open(&database).await;
        let ann = bench.user("ann@x").await;
        let all = Projection::all();
        let (shown, _) =
            groups::create(&bench.context, &bench.caller, group("team", &[&ann]), all.clone()).await.unwrap();
        let team = serde_json::from_str::<Value>(&shown.body).unwrap()["id"].as_str().unwrap().to_owned();
        for active in [false, true] {
            bench.clock.advance(Duration::from_secs(1));
            let body = patch(json!([{ "op": "replace", "path": "active", "value": active }]));
            let none = Conditions::default();
            users::patch(&bench.context, &bench.caller, &ann, body, none, all.clone()).await.unwrap();
        }
        bench.marked().await;
        for wanted in [vec![ann.clone()], vec![]] {
            bench.change(&team, add_members(&[&ann])).await.unwrap();
            assert_eq!(bench.marked().await, wanted, "{}", database.name);
        }
        let confirmed: i64 = bench
            .context
            .store
            .read(|conn| Ok::<_, StoreError>(memberships::table.select(memberships::confirmed_at).first(conn)?))
            .await
            .unwrap();
        use scimhub::base::clock::Clock;
        assert_eq!(confirmed, bench.clock.now().0, "every naming confirms");
        let found = groups::read(&bench.context, &bench.caller, &team, Conditions::default(), all).await.unwrap();
        let scimhub::service::shown::Found::Resource(shown) = found else { panic!("a resource") };
        assert_eq!(shown.etag, "W/\"1\"");
    }
}

/// A page of groups ends early where its members are too many for one answer, and says so.
#[tokio::test]
async fn a_page_of_groups_ends_early() {
    use scimhub::base::ids::GroupId;
    use scimhub::base::limits::PAGE_MEMBERS;
    use scimhub::scim::query::ListQuery;
    use scimhub::service::group_list;
    use scimhub::store::memberships::{Member, MemberKind, add};
    let database = Database::sqlite();
    let bench = Bench::open(&database).await;
    for name in ["a", "b", "c"] {
        let (shown, _) =
            groups::create(&bench.context, &bench.caller, group(name, &[]), Projection::all()).await.unwrap();
        let id: GroupId = serde_json::from_str::<Value>(&shown.body).unwrap()["id"].as_str().unwrap().parse().unwrap();
        let crowd: Vec<Member> =
            (0..PAGE_MEMBERS * 2 / 5).map(|_| Member { id: Uuid::now_v7(), kind: MemberKind::User }).collect();
        bench.context.store.write(move |tx| add(tx, WORKSPACE, id, &crowd, Micros(1)).map(|_| ())).await.unwrap();
        bench.clock.advance(Duration::from_secs(1));
    }
    let list = async |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let query = ListQuery::read(&pairs).unwrap();
        let body = group_list::list(&bench.context, &bench.caller, query).await.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        (body["totalResults"].as_u64().unwrap(), body["itemsPerPage"].as_u64().unwrap())
    };
    assert_eq!(list(&[]).await, (3, 2));
    assert_eq!(list(&[("startIndex", "3")]).await, (3, 1));
    assert_eq!(list(&[("excludedAttributes", "members")]).await, (3, 3));
}
