//! What an app needs to know of a person before it can add them (business-hubs.md section 12.3): what
//! is there, from where, and giving what no attribute tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::FieldError;
use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError, hubs, tasks};
use crate::base::ids::{HubId, UserId, WorkspaceId};
use crate::base::nearest;
use crate::domain::app::App;
use crate::domain::create_fields;
use crate::domain::hub::HubPolicy;
use crate::domain::hub_rules as rules;
use crate::domain::occasion;
use crate::store::given_fields::{self, Given};
use crate::store::reach::Reach;
use crate::store::{DbConn, StoreError, facts, marks, users};

/// The fields of one person in one hub.
#[derive(Clone, Debug, Serialize)]
pub struct FieldsView {
    /// In the manifest's order; none for an app that needs nothing.
    pub fields: Vec<FieldView>,
    /// The names of those that nothing tells: without them the person cannot be added.
    pub missing: Vec<String>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub struct FieldView {
    /// Its key.
    pub name: String,
    /// What people read.
    pub label: String,
    /// What the app would be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `given`, `attribute`, or `missing`.
    pub from: &'static str,
    /// The user's attribute that it is read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// Who gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
}

/// Values to give; null takes one away.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldsBody {
    fields: BTreeMap<String, Option<String>>,
}

/// What is there for a person.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn show(context: &Context, caller: &Caller, slug: &str, user: &str) -> Result<FieldsView, ServiceError> {
    let user = tasks::user(user)?;
    let (workspace, slug, catalog) = (caller.workspace, slug.to_owned(), context.catalog.clone());
    context
        .store
        .read(move |conn| {
            let hub = hubs::find(conn, workspace, &slug)?;
            let app = rules::app(&catalog, &hub.app).map_err(ServiceError::Invalid)?;
            view(conn, workspace, hub.id, &hub.policy, app, user)
        })
        .await
}

/// Give values by hand. The record names the fields and never the values.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::InvalidFields`] with everything that is wrong.
pub async fn give(
    context: &Context,
    caller: &Caller,
    slug: &str,
    user: &str,
    body: FieldsBody,
) -> Result<FieldsView, ServiceError> {
    let user = tasks::user(user)?;
    let (scribe, slug, catalog) = (Scribe::new(context, caller), slug.to_owned(), context.catalog.clone());
    let shown = context
        .store
        .write(move |tx| {
            let hub = hubs::find(tx, scribe.workspace, &slug)?;
            let app = rules::app(&catalog, &hub.app).map_err(ServiceError::Invalid)?;
            // The user's row first: a value is never left behind by a deletion under way.
            users::load_for_update(tx, scribe.workspace, Reach::Workspace, user).map_err(|error| match error {
                StoreError::NotFound => ServiceError::NotFound("user"),
                other => other.into(),
            })?;
            let wrong = check(app, &body);
            if !wrong.is_empty() {
                return Err(ServiceError::InvalidFields(wrong));
            }
            for (name, value) in &body.fields {
                let given = value.as_ref().map(|value| Given {
                    value: value.trim().to_owned(),
                    by: scribe.actor.clone(),
                    at: scribe.now,
                });
                given_fields::put(tx, scribe.workspace, hub.id, user, name, given.as_ref())?;
            }
            marks::asked(tx, scribe.workspace, hub.id, user, &scribe.change(occasion::FIELDS_GIVEN))?;
            let (given, taken): (Vec<_>, Vec<_>) = body.fields.iter().partition(|(_, value)| value.is_some());
            let names = |some: Vec<(&String, _)>| some.into_iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
            let detail = json!({ "given": names(given), "taken_away": names(taken) });
            let target = format!("user:{user}");
            let about = About { target: &target, hub: Some(hub.id), user: Some(user), detail, ..About::default() };
            scribe.record(tx, "user.fields_given", about)?;
            view(tx, scribe.workspace, hub.id, &hub.policy, app, user)
        })
        .await?;
    context.nudge.planner();
    Ok(shown)
}

fn check(app: &App, body: &FieldsBody) -> Vec<FieldError> {
    let mut wrong = Vec::new();
    for (name, value) in &body.fields {
        let Some(field) = app.create_fields.iter().find(|field| field.name == *name) else {
            let known: Vec<&str> = app.create_fields.iter().map(|field| field.name.as_str()).collect();
            let detail = format!("{} needs no such field to add somebody; {}", app.name, nearest::hint(name, &known));
            wrong.push(FieldError::new(format!("fields.{name}"), detail));
            continue;
        };
        if let Some(Err(detail)) = value.as_ref().map(|value| field.admits(value.trim())) {
            wrong.push(FieldError::new(format!("fields.{name}"), format!("{}: {detail}", field.label)));
        }
    }
    wrong
}

fn view(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    policy: &HubPolicy,
    app: &App,
    user: UserId,
) -> Result<FieldsView, ServiceError> {
    let found = facts::of_people(conn, workspace, hub, app, &[], &[user])?.pop();
    let person = found.and_then(|facts| facts.person).ok_or(ServiceError::NotFound("user"))?;
    let mut by_hand = given_fields::of_person(conn, workspace, hub, user)?;
    let given = by_hand.iter().map(|(name, given)| (name.clone(), given.value.clone())).collect();
    let mut filled = create_fields::fill(app, policy, &given, Some(&person.document));
    let fields = app
        .create_fields
        .iter()
        .map(|field| {
            let value = filled.values.remove(&field.name);
            let hand = by_hand.remove(&field.name);
            FieldView {
                name: field.name.clone(),
                label: field.label.clone(),
                from: match (&value, &hand) {
                    (None, _) => "missing",
                    (Some(_), Some(_)) => "given",
                    (Some(_), None) => "attribute",
                },
                value,
                attribute: field.attribute_in(policy).map(String::from),
                given_by: hand.as_ref().map(|hand| hand.by.clone()),
                given: hand.map(|hand| hand.at.to_rfc3339()),
            }
        })
        .collect();
    Ok(FieldsView { fields, missing: filled.missing })
}
