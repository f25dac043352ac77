//! Items for a person: who does one and until when, as people see and change it.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::scribe::{About, Scribe};
use super::task_view::{TaskDetail, TaskView};
use super::tasks::{self, TaskStatus};
use super::{Caller, Context, ServiceError, roles};
use crate::base::clock::Micros;
use crate::base::ids::WorkspaceId;
use crate::base::limits::ITEM_HOURS_MOST;
use crate::base::visible;
use crate::domain::task::Task;
use crate::store::items::{self as rows, Owner};
use crate::store::{DbConn, StoreError, reading};

/// The longest name of somebody who is not here.
const NAME_CHARACTERS: usize = 200;

/// Who does an item.
#[derive(Clone, Debug, Serialize)]
pub struct OwnerView {
    /// Their SCIM id, of somebody here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Their userName, or the name of somebody who is not here.
    pub name: String,
    /// `hub` where nobody said otherwise and it is an owner of the hub, `person` where somebody did.
    pub from: &'static str,
}

/// A field of a change: left out, `null`, or a value.
#[derive(Clone, Debug, Default)]
pub enum Wish<T> {
    /// It stays.
    #[default]
    Keep,
    /// What holds without anybody's word.
    Clear,
    /// This.
    To(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Wish<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(from)?.map_or(Self::Clear, Self::To))
    }
}

/// Who shall do it: one of the two.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerBody {
    /// Somebody here, by SCIM id or userName.
    pub user: Option<String>,
    /// Anybody else, in words.
    pub name: Option<String>,
}

/// What changes about an item.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemPatch {
    /// Who does it; `null` for an owner of the hub.
    #[serde(default)]
    pub owner: Wish<OwnerBody>,
    /// Until when, RFC 3339; `null` for the hub's setting.
    #[serde(default)]
    pub due: Wish<String>,
}

/// Say of these items who does them, and whether their time is over.
///
/// # Errors
/// A failed statement.
pub(super) fn dress(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    now: Micros,
    tasks: &[Task],
    views: &mut [TaskView],
) -> Result<(), StoreError> {
    let items: Vec<&Task> = tasks.iter().filter(|task| task.status == TaskStatus::Manual).collect();
    if items.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = items.iter().map(|task| task.id).collect();
    let given = rows::owners(conn, workspace, &ids)?;
    let mut hubs: Vec<_> = items.iter().map(|task| task.hub).collect();
    hubs.sort_unstable();
    hubs.dedup();
    let of_hub = rows::hub_owners(conn, workspace, &hubs)?;
    for (task, view) in tasks.iter().zip(views).filter(|(task, _)| task.status == TaskStatus::Manual) {
        view.overdue = task.due_at.is_some_and(|due| due <= now);
        let by_person = given.get(&task.id).map(|owner| (owner, "person"));
        let owner = by_person.or_else(|| of_hub.get(&task.hub).map(|owner| (owner, "hub")));
        view.owner = owner.map(|(owner, from)| OwnerView {
            user: owner.user.map(|user| user.to_string()),
            name: owner.name.clone(),
            from,
        });
    }
    Ok(())
}

/// Say who does an item and until when.
///
/// # Errors
/// [`ServiceError::NotFound`] for the task or the person, [`ServiceError::Conflict`] when it is no item
/// for a person, [`ServiceError::Invalid`] for what cannot be.
pub async fn change(
    context: &Context,
    caller: &Caller,
    id: &str,
    patch: ItemPatch,
) -> Result<TaskDetail, ServiceError> {
    let id = tasks::task_id(id)?;
    let scribe = Scribe::new(context, caller);
    let due = match &patch.due {
        Wish::Keep => Wish::Keep,
        Wish::Clear => Wish::Clear,
        Wish::To(text) => Wish::To(due(text, scribe.now)?),
    };
    context
        .store
        .write(move |tx| {
            let task = tasks::load(tx, scribe.workspace, id)?;
            if task.status != TaskStatus::Manual {
                return Err(ServiceError::Conflict(format!(
                    "a task that is {} is no item for a person: it has no owner and no time",
                    task.status.as_str()
                )));
            }
            let mut detail = json!({ "kind": task.effect.kind });
            let mut tell = |name: &str, value| {
                if let Some(detail) = detail.as_object_mut() {
                    detail.insert(name.to_owned(), value);
                }
            };
            match &due {
                Wish::Keep => {}
                Wish::Clear => tell("due", json!(null)),
                Wish::To(at) => tell("due", json!(at.to_rfc3339())),
            }
            match due {
                Wish::Keep => {}
                Wish::Clear => drop(rows::set_due(tx, scribe.workspace, id, None)?),
                Wish::To(at) => drop(rows::set_due(tx, scribe.workspace, id, Some(at))?),
            }
            let mut personal = None;
            match &patch.owner {
                Wish::Keep => {}
                Wish::Clear => {
                    tell("owner", json!("of the hub"));
                    rows::set_owner(tx, scribe.workspace, id, None, &scribe.actor, scribe.now)?;
                }
                Wish::To(wanted) => {
                    let owner = owner(tx, scribe.workspace, wanted)?;
                    tell(
                        "owner",
                        json!(owner.user.map_or_else(|| String::from("by name"), |user| format!("user:{user}"))),
                    );
                    personal = Some(json!({ "owner": owner.name }));
                    rows::set_owner(tx, scribe.workspace, id, Some(&owner), &scribe.actor, scribe.now)?;
                }
            }
            let target = format!("task:{id}");
            let about =
                About { target: &target, hub: Some(task.hub), user: task.user, task: Some(id), detail, personal };
            scribe.record(tx, "task.assigned", about)?;
            tasks::detail(tx, scribe.workspace, id, scribe.now)
        })
        .await
}

fn due(text: &str, now: Micros) -> Result<Micros, ServiceError> {
    let wrong = |why: &str| Err(ServiceError::Invalid(format!("due: {why}")));
    let furthest = now.plus(std::time::Duration::from_secs(u64::from(ITEM_HOURS_MOST) * 3_600));
    match Micros::parse_rfc3339(text) {
        None => wrong("a time such as 2026-11-26T18:00:00Z, or null for the hub's setting"),
        Some(at) if at <= now => wrong("that time has passed"),
        Some(at) if at > furthest => wrong("at most a year ahead"),
        Some(at) => Ok(at),
    }
}

fn owner(conn: &mut DbConn, workspace: WorkspaceId, wanted: &OwnerBody) -> Result<Owner, ServiceError> {
    match (&wanted.user, &wanted.name) {
        (Some(text), None) => {
            let id = roles::person_in_field(conn, workspace, "owner.user", text)?;
            let name = reading::user_name(conn, workspace, id)?.ok_or(ServiceError::NotFound("user"))?;
            Ok(Owner { user: Some(id), name })
        }
        (None, Some(name)) => {
            let name = name.trim();
            if visible::is_blank(name) || name.chars().count() > NAME_CHARACTERS {
                return Err(ServiceError::Invalid(format!(
                    "owner.name has 1 to {NAME_CHARACTERS} characters on one line"
                )));
            }
            visible::plain_line(name).map_err(|why| ServiceError::Invalid(format!("owner.name: {why}")))?;
            Ok(Owner { user: None, name: name.to_owned() })
        }
        (Some(_), Some(_)) | (None, None) => Err(ServiceError::Invalid(String::from(
            "owner is {\"user\": id or userName} for somebody here, {\"name\": text} for anybody else, or null",
        ))),
    }
}
