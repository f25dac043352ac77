//! Forgetting a person who is gone: what they were called, not what was done. Refused while they are
//! active, have access anywhere, or anything could write them down again.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;

use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError, tasks};
use crate::base::ids::{UserId, WorkspaceId};
use crate::domain::redaction::Names;
use crate::scim::fold;
use crate::store::erasing::{self, Erased, Obstacles};
use crate::store::{DbConn, interval_list, reading};

/// Looks at what is left, each after taking out what the one before found: rows may be written while
/// one is under way, by what was already running.
const LOOKS: usize = 4;

/// What was done.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Done {
    /// The person's id here, which is all that is left.
    pub user: UserId,
    /// What was taken out.
    #[serde(flatten)]
    pub erased: Erased,
}

/// Erase what is personal of one person: by SCIM id, by userName, or by the address that a report shows.
/// What it finds it finds in a read of its own; that nothing stands in the way is seen where it is done.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] that lists what must be done first.
pub async fn erase(context: &Context, caller: &Caller, person: &str) -> Result<Done, ServiceError> {
    let (workspace, named) = (caller.workspace, person.to_owned());
    let user = context.store.read(move |conn| find(conn, workspace, &named)).await?;
    let scribe = Scribe::new(context, caller);
    let (mut names, mut total) = (Names::default(), Erased::default());
    for look in 0..LOOKS {
        let known = names.clone();
        let traces = context.store.read(move |conn| erasing::traces(conn, workspace, user, &known)).await?;
        names.extend(&traces.names);
        if look > 0 && traces.is_none() {
            break;
        }
        let scribe = scribe.clone();
        total += context
            .store
            .write(move |tx| {
                let obstacles = erasing::obstacles(tx, workspace, user, &traces)?;
                if !obstacles.is_none() {
                    return Err(ServiceError::Conflict(first(&obstacles)));
                }
                let erased = erasing::erase(tx, workspace, user, &traces, scribe.now)?;
                let target = format!("user:{user}");
                let about = || About { target: &target, user: Some(user), ..About::default() };
                if erased.user_deleted {
                    scribe.record(tx, "user.deleted", About { detail: json!({ "by": "erasure" }), ..about() })?;
                }
                scribe.record(tx, "person.erased", About { detail: json!(erased), ..about() })?;
                Ok(erased)
            })
            .await?;
    }
    Ok(Done { user, erased: total })
}

fn find(conn: &mut DbConn, workspace: WorkspaceId, named: &str) -> Result<UserId, ServiceError> {
    let user = match tasks::user(named) {
        Ok(user) => Some(user),
        Err(_) => match reading::user_by_name(conn, workspace, &fold::user_name(named))? {
            Some(user) => Some(user),
            None => interval_list::last_of(conn, workspace, named)?,
        },
    };
    match user {
        Some(user) if erasing::known(conn, workspace, user)? => Ok(user),
        Some(_) | None => Err(ServiceError::NotFound("person")),
    }
}

/// What must be done first, all of it.
fn first(obstacles: &Obstacles) -> String {
    let list = |hubs: &BTreeSet<String>| hubs.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut all = Vec::new();
    if obstacles.guest {
        all.push(String::from("remove the guest"));
    } else if obstacles.active {
        all.push(String::from("deactivate or delete the user at the identity provider, and let it say so by SCIM"));
    }
    if obstacles.owner {
        all.push(String::from("hand the workspace to another Owner"));
    }
    if !obstacles.alone.is_empty() {
        all.push(format!("make somebody else Owner of {}", list(&obstacles.alone)));
    }
    if !obstacles.named.is_empty() {
        all.push(format!("remove the mappings that name them, in {}", list(&obstacles.named)));
    }
    if !obstacles.seats.is_empty() {
        all.push(format!("remove their accounts, in {}", list(&obstacles.seats)));
    }
    if !obstacles.tasks.is_empty() {
        all.push(format!("let their open tasks end, or close them, in {}", list(&obstacles.tasks)));
    }
    if !obstacles.listed.is_empty() {
        all.push(format!("wait for the sync that just saw an account of theirs, in {}", list(&obstacles.listed)));
    }
    if obstacles.deliveries > 0 {
        all.push(format!("wait until {} events about them were delivered or given up", obstacles.deliveries));
    }
    if obstacles.notified {
        all.push(String::from("take their address out of the notifications"));
    }
    format!("this person cannot be erased yet: {}", all.join("; "))
}
