//! The catalog of apps as people see it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Context;
use crate::domain::app::{App, FieldFormat, Invite, SupportedTasks};
use crate::domain::hub::Login;
use crate::domain::hub_file::text;
use crate::domain::task::TaskKind;

/// An app.
#[derive(Clone, Debug, Serialize)]
pub struct AppView {
    /// Its id.
    pub id: String,
    /// The name people read.
    pub name: String,
    /// Which connector drives it.
    pub connector: String,
    /// How people may sign in.
    pub logins: Vec<Login>,
    /// The settle time where a hub gives none.
    pub settle: String,
    /// What a person fills in to connect.
    pub fields: Vec<FieldView>,
    /// What must be known of a person before they can be added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create_fields: Vec<CreateFieldView>,
    /// Roles, highest first.
    pub roles: Vec<RoleView>,
    /// Whether other role ids are accepted as well.
    pub open_roles: bool,
    /// Kinds of assets.
    pub assets: Vec<String>,
    /// Whether the highest role wins, or roles are permissions that add up.
    pub ranked: bool,
    /// What is automated; the rest becomes a manual item.
    pub automates: Vec<&'static str>,
    /// What the app offers under each login method, whoever does it.
    pub offers: BTreeMap<Login, Vec<&'static str>>,
    /// How it brings somebody in: `email`, `link`, `none`.
    pub invite: Invite,
    /// Whether people who have not accepted can be seen and removed.
    pub invites_visible: bool,
    /// Whether somebody who was removed can be invited again.
    pub reinvite: bool,
    /// Whether a role can be changed before the invitation is accepted.
    pub role_change_while_pending: bool,
    /// What the account must be that the hub works with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_role: Option<String>,
    /// How long the app refuses changes after a connection is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingView>,
}

/// A connection field.
#[derive(Clone, Debug, Serialize)]
pub struct FieldView {
    /// The key below `connection`.
    pub name: String,
    /// What people read.
    pub label: String,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it is a secret.
    pub secret: bool,
    /// The form of its value.
    pub format: &'static str,
    /// How many digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// The only values there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Whether two hubs of the app must not share it.
    pub unique: bool,
}

/// Something that must be known of a person.
#[derive(Clone, Debug, Serialize)]
pub struct CreateFieldView {
    /// The key below `policy.create_fields`.
    pub name: String,
    /// What people read.
    pub label: String,
    /// The user's attribute that tells it where the hub names no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// The only values there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// A time in which the app refuses changes.
#[derive(Clone, Debug, Serialize)]
pub struct WaitingView {
    /// The connection field that starts it.
    pub field: String,
    /// `7d` …
    pub lasts: String,
    /// What waits.
    pub tasks: BTreeSet<TaskKind>,
    /// Why.
    pub reason: String,
}

/// A role.
#[derive(Clone, Debug, Serialize)]
pub struct RoleView {
    /// The app's id.
    pub id: String,
    /// What people read.
    pub label: String,
    /// Higher wins.
    pub rank: i32,
    /// Whether it administers the app.
    pub admin: bool,
    /// Whether a mapping may give it.
    pub assignable: bool,
    /// Whether an update may give or take it.
    pub updatable: bool,
    /// Whether everybody is added with it.
    pub default_on_add: bool,
    /// What cannot be held together with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incompatible: Vec<String>,
}

/// All apps a hub can be of.
pub fn list(context: &Context) -> Vec<AppView> {
    context.catalog.apps().map(view).collect()
}

fn view(app: &App) -> AppView {
    let mut roles: Vec<RoleView> = app
        .roles
        .iter()
        .map(|role| RoleView {
            id: role.id.clone(),
            label: role.label.clone(),
            rank: role.rank,
            admin: role.admin,
            assignable: role.assignable,
            updatable: role.updatable,
            default_on_add: role.default_on_add,
            incompatible: role.incompatible.clone(),
        })
        .collect();
    roles.sort_by_key(|role| std::cmp::Reverse(role.rank));
    AppView {
        id: app.id.clone(),
        name: app.name.clone(),
        connector: app.connector.clone(),
        logins: app.logins.clone(),
        settle: text::humane(app.settle()),
        fields: app
            .fields
            .iter()
            .map(|field| FieldView {
                name: field.name.clone(),
                label: field.label.clone(),
                required: !field.optional,
                secret: field.secret,
                format: format(field.format),
                length: field.length,
                values: field.values.clone(),
                unique: field.is_unique(),
            })
            .collect(),
        create_fields: app
            .create_fields
            .iter()
            .map(|field| CreateFieldView {
                name: field.name.clone(),
                label: field.label.clone(),
                attribute: field.attribute.clone(),
                values: field.values.clone(),
            })
            .collect(),
        roles,
        open_roles: app.open_roles,
        assets: app.assets.clone(),
        ranked: app.ranked,
        automates: words(app.tasks),
        offers: app.logins.iter().map(|login| (*login, words(app.with_login(*login).offers))).collect(),
        invite: app.invite,
        invites_visible: app.invites_visible,
        reinvite: app.reinvite,
        role_change_while_pending: app.role_change_while_pending,
        service_role: app.service_role.clone(),
        waiting: app.waiting.as_ref().map(|rule| WaitingView {
            field: rule.field.clone(),
            lasts: text::humane(rule.lasts()),
            tasks: rule.tasks.clone(),
            reason: rule.reason.clone(),
        }),
    }
}

fn words(tasks: SupportedTasks) -> Vec<&'static str> {
    TaskKind::ALL.into_iter().filter(|kind| tasks.includes(*kind)).map(TaskKind::as_str).collect()
}

const fn format(format: FieldFormat) -> &'static str {
    match format {
        FieldFormat::Text => "text",
        FieldFormat::Url => "url",
        FieldFormat::Digits => "digits",
        FieldFormat::Slug => "slug",
        FieldFormat::Account => "account",
        FieldFormat::UniqueIdentifier => "unique_identifier",
        FieldFormat::Flag => "flag",
    }
}
