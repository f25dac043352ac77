//! The catalog of apps as people see it.

use serde::Serialize;

use super::Context;
use crate::domain::app::{App, FieldFormat};
use crate::domain::hub::Login;
use crate::domain::hub_file::text;

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
    /// Roles, highest first.
    pub roles: Vec<RoleView>,
    /// Whether other role ids are accepted as well.
    pub open_roles: bool,
    /// Kinds of assets.
    pub assets: Vec<String>,
    /// What is automated; the rest becomes a manual item.
    pub automates: Vec<&'static str>,
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
}

/// All apps a hub can be of.
pub fn list(context: &Context) -> Vec<AppView> {
    context.catalog.apps().map(view).collect()
}

fn view(app: &App) -> AppView {
    let mut roles: Vec<RoleView> = app
        .roles
        .iter()
        .map(|role| RoleView { id: role.id.clone(), label: role.label.clone(), rank: role.rank, admin: role.admin })
        .collect();
    roles.sort_by_key(|role| std::cmp::Reverse(role.rank));
    let tasks = [
        ("sync", app.tasks.sync),
        ("add", app.tasks.add),
        ("update_role", app.tasks.update_role),
        ("remove", app.tasks.remove),
    ];
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
            })
            .collect(),
        roles,
        open_roles: app.open_roles,
        assets: app.assets.clone(),
        automates: tasks.into_iter().filter(|(_, does)| *does).map(|(name, _)| name).collect(),
    }
}

const fn format(format: FieldFormat) -> &'static str {
    match format {
        FieldFormat::Text => "text",
        FieldFormat::Url => "url",
        FieldFormat::Digits => "digits",
        FieldFormat::UniqueIdentifier => "unique_identifier",
        FieldFormat::Flag => "flag",
    }
}
