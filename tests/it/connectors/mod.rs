//! Connectors against real servers: ones nobody here wrote, our practice app, and a stand-in
//! that does everything wrong that was ever seen.

mod bad;
mod carriers;
mod demo;
mod faults;
mod peers;
mod quirks;
mod sandbox;

use std::sync::Arc;
use std::time::Duration;

use scimhub::base::clock::{SharedClock, SystemClock};
use scimhub::base::secret::SecretString;
use scimhub::connectors::scim::{Invitation, Learned, RoleCarrier, Scim, Settings};
use scimhub::domain::task::{Effect, Principal, TaskKind};
use scimhub::engine::connector::{AttemptContext, Connector as _, NoSteps, Outcome, RemoteMember};
use scimhub::net::client::{Timeouts, system_lookup};
use scimhub::net::{AddressPolicy, Client, Target};

/// An attempt that may take ten seconds.
fn context() -> AttemptContext {
    let clock: SharedClock = Arc::new(SystemClock::new());
    AttemptContext {
        op_id: uuid::Uuid::new_v4().to_string(),
        request_id: None,
        deadline: clock.monotonic() + Duration::from_secs(10),
        clock,
        steps: Arc::new(NoSteps),
    }
}

fn settings(base: &str, token: &str) -> Settings {
    Settings {
        flat: false,
        open_roles: false,
        base: Target::parse(base).unwrap(),
        token: Some(SecretString::from(token.to_owned())),
        role: RoleCarrier::Roles,
        role_type: None,
        roles: ["admin", "editor", "viewer"].map(String::from).to_vec(),
        email_as_user_name: false,
        removal_deactivates: false,
        invitation: Invitation::default(),
        create_fields: std::collections::BTreeMap::new(),
        assets: None,
    }
}

/// A connector that gives up on a call after a second and remembers nothing from before.
fn connector(settings: Settings) -> Scim {
    let timeouts = Timeouts { connect: Duration::from_secs(1), call: Duration::from_secs(1) };
    let client = Client::with(AddressPolicy::with_loopback(), timeouts, &system_lookup()).unwrap();
    Scim::new(settings, client, Arc::new(Learned::default()))
}

fn scim(base: &str, token: &str) -> Scim {
    connector(settings(base, token))
}

fn effect(kind: TaskKind, user_name: &str, role: &str) -> Effect {
    Effect {
        role: Some(role.to_owned()),
        ..Effect::new(
            kind,
            Principal {
                external_id: Some(format!("id-here-of-{}", user_name.to_lowercase())),
                user_name: user_name.to_owned(),
                email: user_name.to_lowercase(),
                given_name: Some(String::from("Ann")),
                family_name: Some(String::from("Example")),
                display_name: Some(String::from("Ann Example")),
            },
        )
    }
}

fn add(user_name: &str, role: &str) -> Effect {
    effect(TaskKind::Add, user_name, role)
}

fn update(user_name: &str, role: &str) -> Effect {
    effect(TaskKind::UpdateRole, user_name, role)
}

fn remove(user_name: &str) -> Effect {
    effect(TaskKind::Remove, user_name, "viewer")
}

fn suspend(user_name: &str) -> Effect {
    Effect { suspend: true, ..remove(user_name) }
}

fn at(effect: Effect, remote_id: &str) -> Effect {
    Effect { remote_id: Some(remote_id.to_owned()), ..effect }
}

/// The account in an outcome.
#[track_caller]
fn applied(outcome: Outcome) -> RemoteMember {
    match outcome {
        Outcome::Applied(Some(member)) => member,
        other => panic!("not applied: {other:?}"),
    }
}

#[track_caller]
fn already(outcome: Outcome) -> RemoteMember {
    match outcome {
        Outcome::AlreadyInState(Some(member)) => member,
        other => panic!("not already so: {other:?}"),
    }
}

/// Every account, page by page.
async fn everybody(scim: &Scim) -> Vec<RemoteMember> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = scim.list(cursor, &context()).await.unwrap();
        all.extend(page.members);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}
