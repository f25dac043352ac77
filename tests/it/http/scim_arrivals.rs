//! A user arrives: what waits for somebody new finds them, whatever else happens at that moment, and it
//! costs few round trips to PostgreSQL.

use diesel::prelude::*;
use scimhub::base::clock::Micros;
use scimhub::base::ids::{MappingId, UserId, WorkspaceId};
use scimhub::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use scimhub::scim::query::Projection;
use scimhub::service::shown::Conditions;
use scimhub::service::{ServiceError, groups, users};
use scimhub::store::rules_lock::rules_change;
use scimhub::store::schema::{leavers, pending_members, user_emails};
use scimhub::store::{StoreError, mappings, memberships};
use serde_json::{Value, json};
use uuid::Uuid;

use super::scim_marks::Bench;
use super::scim_support::{add_members, group, user};
use crate::support::{Database, Proxy, databases};

const WORKSPACE: WorkspaceId = WorkspaceId(1);

pub(super) fn with(mut body: Value, more: &Value) -> Value {
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

pub(super) async fn create(bench: &Bench, body: Value) -> Result<UserId, ServiceError> {
    let shown = users::create(&bench.context, &bench.caller, body, Projection::all()).await?;
    Ok(serde_json::from_str::<Value>(&shown.body).unwrap()["id"].as_str().unwrap().parse().unwrap())
}

pub(super) async fn team(bench: &Bench, name: &str, members: &[&str]) -> String {
    let made = groups::create(&bench.context, &bench.caller, group(name, members), Projection::all()).await;
    serde_json::from_str::<Value>(&made.unwrap().0.body).unwrap()["id"].as_str().unwrap().to_owned()
}

pub(super) async fn groups_of(bench: &Bench, id: UserId) -> Vec<String> {
    let found = bench.context.store.read(move |conn| memberships::groups_of(conn, WORKSPACE, id)).await.unwrap();
    let mut names: Vec<String> = found.into_iter().map(|(_, name)| name).collect();
    names.sort();
    names
}

/// An individual share of a userName, waiting.
pub(super) async fn share(bench: &Bench, name: &str) {
    let mapping = Mapping {
        id: MappingId::from_uuid(Uuid::now_v7()),
        hub: bench.hub,
        subject: SubjectName::User(name.into()),
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
    let wrote = bench.context.store.write(move |tx| mappings::insert(tx, WORKSPACE, &mapping, Micros(1)));
    wrote.await.unwrap();
}

#[tokio::test]
async fn who_waits_for_somebody_new_finds_them() {
    for database in databases() {
        let bench = Bench::open(&database).await;
        let nobody = create(&bench, user("nobody@x")).await.unwrap();
        assert!(bench.marked().await.is_empty() && groups_of(&bench, nobody).await.is_empty());
        // Named by externalId in two groups, one of them mapped; and the other one named once more.
        team(&bench, "Team", &["ext-1", "ext-2"]).await;
        team(&bench, "Other", &["ext-1"]).await;
        let ann = create(&bench, with(user("ann@x"), &json!({"externalId": "ext-1"}))).await.unwrap();
        assert_eq!(groups_of(&bench, ann).await, ["Other", "Team"]);
        assert_eq!(bench.marked().await, [ann.to_string()]);
        // By a share of the userName, in whatever case.
        share(&bench, "bob@x").await;
        let bob = create(&bench, with(user("Bob@X"), &json!({"externalId": "ext-9"}))).await.unwrap();
        assert_eq!(bench.marked().await, [bob.to_string()]);
        assert!(groups_of(&bench, bob).await.is_empty());
        // Nobody is left behind who was not meant.
        let left: Vec<String> = bench
            .context
            .store
            .read(|conn| Ok::<_, StoreError>(pending_members::table.select(pending_members::value).load(conn)?))
            .await
            .unwrap();
        assert_eq!(left, ["ext-2"], "{}", database.name);
    }
}

#[tokio::test]
async fn all_rows_of_a_user_come_together_or_not_at_all() {
    for database in databases() {
        let bench = Bench::open(&database).await;
        let emails = json!([{"value": "A@x", "type": "work"}, {"value": "a@x", "type": "home"}, {"value": "b@x"},
            {"value": "b@x"}]);
        let body = with(user("ann@x"), &json!({"active": false, "emails": emails, "displayName": "Ann"}));
        let ann = create(&bench, body.clone()).await.unwrap();
        let rows = async || {
            let read = bench.context.store.read(|conn| {
                let emails: Vec<(String, String, Vec<u8>)> = user_emails::table
                    .select((user_emails::email_key, user_emails::type_key, user_emails::user_id))
                    .order((user_emails::email_key, user_emails::type_key))
                    .load(conn)?;
                let left: Vec<Vec<u8>> = leavers::table.select(leavers::user_id).load(conn)?;
                Ok::<_, StoreError>((emails, left))
            });
            read.await.unwrap()
        };
        let (emails, left) = rows().await;
        let wanted = [("a@x", "home"), ("a@x", "work"), ("b@x", "")];
        assert_eq!(emails.iter().map(|(a, k, _)| (a.as_str(), k.as_str())).collect::<Vec<_>>(), wanted);
        assert!(emails.iter().all(|(_, _, id)| *id == ann.bytes()));
        assert_eq!(left, [ann.bytes()], "who arrives inactive is a leaver");
        team(&bench, "Other", &["ext-1"]).await;
        let refused = create(&bench, with(body, &json!({"userName": "ANN@x", "externalId": "ext-1"}))).await;
        assert!(matches!(&refused, Err(ServiceError::Scim(e)) if e.status == 409), "{refused:?}");
        assert_eq!(rows().await, (emails, left), "{}", database.name);
        let still = create(&bench, with(user("eve@x"), &json!({"externalId": "ext-1"}))).await.unwrap();
        assert_eq!(groups_of(&bench, still).await, ["Other"], "it goes on waiting after a refusal");
    }
}

/// People arrive while groups name them and rules change: nobody is missed, nothing is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_arrival_and_a_group_that_names_it_always_meet() {
    for database in databases() {
        let bench = Bench::open(&database).await;
        let group = team(&bench, "Team", &[]).await;
        for round in 0..15 {
            let name = format!("ext-{round}");
            let arrivals = (0..4).map(|n| {
                let more = json!({"externalId": if n == 0 { name.clone() } else { format!("none-{round}-{n}") }});
                create(&bench, with(user(&format!("p{round}-{n}@x")), &more))
            });
            let values = [name.as_str()];
            let named = groups::patch(
                &bench.context,
                &bench.caller,
                &group,
                add_members(&values),
                Conditions::default(),
                Projection::all(),
            );
            let rules = bench.context.store.write(|tx| rules_change(tx, WORKSPACE));
            let (arrived, named, ruled) = tokio::join!(futures_util::future::join_all(arrivals), named, rules);
            let arrived: Vec<UserId> = arrived.into_iter().map(Result::unwrap).collect();
            named.unwrap();
            ruled.unwrap();
            assert_eq!(groups_of(&bench, arrived[0]).await, ["Team"], "{} {round}", database.name);
            assert_eq!(bench.marked().await, [arrived[0].to_string()], "{} {round}", database.name);
        }
    }
}

/// The least of several rounds: a connection is opened, a statement prepared, or a rest noticed in one or the
/// other.
#[tokio::test]
async fn changes_cost_few_round_trips() {
    let Some(database) = Database::postgres() else { return };
    let proxy = Proxy::before(&database);
    let bench = Bench::open(&database.behind(&proxy)).await;
    let group = team(&bench, "Plain", &[]).await;
    let mut least = [usize::MAX; 3];
    for round in 0..8 {
        let mut trips = [0; 3];
        proxy.count();
        let ann = bench.user(&format!("p{round}@x")).await;
        trips[0] = proxy.counted();
        proxy.count();
        let all = Projection::all();
        users::read(&bench.context, &bench.caller, &ann, Conditions::default(), all.clone()).await.unwrap();
        trips[1] = proxy.counted();
        proxy.count();
        bench.change(&group, add_members(&[&ann])).await.unwrap();
        trips[2] = proxy.counted();
        least = std::array::from_fn(|at| least[at].min(trips[at]));
    }
    assert_eq!(least, [4, 1, 8], "to create, to read, to join");
}
