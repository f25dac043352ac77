//! What a hub and its mappings must satisfy against their app's manifest. One set of rules for
//! files, the API and the command line; each answer is a sentence that says what to do next.

mod fields;

pub use fields::{Given, field, missing, secret_name};

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::limits::{ITEM_HOURS_MOST, MAPPING_ASSETS, PROTECTED_ROLES};
use crate::base::nearest::{hint, quoted};
use crate::base::visible;
use crate::domain::app::{App, FieldFormat};
use crate::domain::catalog::Catalog;
use crate::domain::create_fields;
use crate::domain::hub::{ConnectionValue, Hub, HubPolicy, Login};
use crate::domain::mapping::AssetGrant;
use crate::domain::permissions::{self, Permissions};
use crate::scim::filter::Filter;
use crate::scim::fold;
use crate::scim::schema::ResourceKind;

/// A plain connection value or label, in characters.
pub const TEXT_CHARACTERS: usize = 1_000;

/// The app of a hub.
///
/// # Errors
/// A sentence with the nearest id, or all of them.
pub fn app<'a>(catalog: &'a Catalog, id: &str) -> Result<&'a App, String> {
    catalog.get(id).ok_or_else(|| {
        let known: Vec<&str> = catalog.apps().map(|app| app.id.as_str()).collect();
        format!("there is no app '{id}'; {}", hint(id, &known))
    })
}

/// The login method.
///
/// # Errors
/// When the app does not allow it.
pub fn login(app: &App, login: Login) -> Result<(), String> {
    if app.logins.contains(&login) {
        return Ok(());
    }
    let allowed: Vec<&str> = app.logins.iter().map(|l| login_word(*l)).collect();
    Err(format!("{} allows login {}, not {}", app.name, quoted(&allowed), login_word(login)))
}

/// The login method's word in files and in the API.
pub const fn login_word(login: Login) -> &'static str {
    match login {
        Login::Sso => "sso",
        Login::Password => "password",
    }
}

/// A hub's or mapping's label.
///
/// # Errors
/// When it is blank, too long or holds characters that hide.
pub fn label(text: &str) -> Result<(), String> {
    if visible::is_blank(text) {
        return Err(String::from("the label is blank; give the hub a name that people recognise"));
    }
    plain(text)
}

fn plain(text: &str) -> Result<(), String> {
    visible::plain_line(text)?;
    if text.chars().count() > TEXT_CHARACTERS {
        return Err(format!("it is longer than {TEXT_CHARACTERS} characters"));
    }
    Ok(())
}

/// A mistake and where it stands: `connection.base_url`, `label`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field's path in the request.
    pub field: String,
    /// What is wrong and what to do next.
    pub detail: String,
}

impl FieldError {
    /// What is wrong with a field.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// Everything that is wrong with a hub against its app's manifest, field by field.
pub fn hub(app: &App, hub: &Hub) -> Vec<FieldError> {
    let mut wrong = Vec::new();
    let mut say = |field: String, found: Result<(), String>| {
        wrong.extend(found.err().map(|detail| FieldError { field, detail }));
    };
    say(String::from("label"), label(&hub.label));
    say(String::from("login"), login(app, hub.login));
    say(String::from("policy"), policy(&hub.policy));
    for (name, attribute) in &hub.policy.create_fields {
        say(format!("policy.create_fields.{name}"), create_field(app, name, attribute));
    }
    say(String::from("policy.protected_roles"), protected_roles(app, &hub.policy));
    for (name, value) in &hub.connection {
        let given = match value {
            ConnectionValue::Plain(text) => Given::Plain(text.clone()),
            ConnectionValue::Secret { secret } => Given::Secret(secret.clone()),
        };
        say(format!("connection.{name}"), field(app, name, &given));
    }
    for field in missing(app, |name| hub.connection.contains_key(name)) {
        let detail = format!("connection.{} ({}) is missing", field.name, field.label);
        say(format!("connection.{}", field.name), Err(detail));
    }
    wrong
}

/// The attribute that a hub reads a create field from.
///
/// # Errors
/// When the app needs no such field, or it names no attribute.
pub fn create_field(app: &App, name: &str, attribute: &str) -> Result<(), String> {
    if !app.create_fields.iter().any(|field| field.name == name) {
        let known: Vec<&str> = app.create_fields.iter().map(|field| field.name.as_str()).collect();
        return Err(format!("{} needs no field '{}' to add somebody; {}", app.name, shown(name), hint(name, &known)));
    }
    create_fields::attribute(attribute).map_err(|wrong| format!("create_fields.{name}: {wrong}"))
}

/// What a hub shares with another of its app that only one may have: the made-up identifier that
/// tells them apart, the app's own id of the space, the account it works with (R10.3).
pub fn shared<'a>(app: &App, hub: &Hub, others: impl Iterator<Item = &'a Hub>) -> Vec<FieldError> {
    let mut wrong = Vec::new();
    for other in others.filter(|other| other.app == hub.app && other.slug != hub.slug) {
        for field in app.fields.iter().filter(|field| field.is_unique()) {
            let (Some(ConnectionValue::Plain(one)), Some(ConnectionValue::Plain(two))) =
                (hub.connection.get(&field.name), other.connection.get(&field.name))
            else {
                continue;
            };
            if fold::user_name(one) != fold::user_name(two) {
                continue;
            }
            let detail = match field.format {
                FieldFormat::Account => format!(
                    "{}: this account serves the hub '{}'; an account serves one hub, so take it from there first or \
                     give another",
                    field.name, other.slug
                ),
                FieldFormat::Text
                | FieldFormat::Url
                | FieldFormat::Digits
                | FieldFormat::Slug
                | FieldFormat::UniqueIdentifier
                | FieldFormat::Flag => format!(
                    "{}: the hub '{}' of {} has it already; it tells one hub from another",
                    field.name, other.slug, app.name
                ),
            };
            wrong.push(FieldError::new(format!("connection.{}", field.name), detail));
        }
    }
    wrong
}

/// The role of a mapping; of an app without ranks one permission or several, `a+b`.
///
/// # Errors
/// When the app has no such role, or permissions exclude each other.
pub fn role(app: &App, id: &str) -> Result<(), String> {
    if app.ranked {
        return one_role(app, id);
    }
    let ids = permissions::each(app, id);
    if ids.is_empty() {
        return one_role(app, "");
    }
    ids.into_iter().try_for_each(|id| one_role(app, id))?;
    together(app, id)
}

/// Whether what a mapping gives can be held together.
///
/// # Errors
/// With both permissions that exclude each other.
pub fn together(app: &App, id: &str) -> Result<(), String> {
    match Permissions::read(id).clash(app).filter(|_| !app.ranked) {
        None => Ok(()),
        Some((one, two)) => Err(format!(
            "{} lets nobody hold '{}' and '{}' together; give one of them",
            app.name,
            shown(one),
            shown(two)
        )),
    }
}

fn one_role(app: &App, id: &str) -> Result<(), String> {
    if let Some(role) = app.role(id) {
        if role.assignable {
            return Ok(());
        }
        return Err(format!(
            "the role '{}' of {} can only be given inside the app; choose another",
            shown(id),
            app.name
        ));
    }
    if app.open_roles || app.roles.is_empty() {
        return match id {
            "" => Err(String::from("app_role is empty")),
            other => plain(other).map_err(|wrong| format!("app_role: {wrong}")),
        };
    }
    let known: Vec<&str> = app.roles.iter().filter(|role| role.assignable).map(|role| role.id.as_str()).collect();
    Err(format!("{} has no role '{}'; {}", app.name, shown(id), hint(id, &known)))
}

/// One asset of a mapping.
///
/// # Errors
/// When the app has no assets of this kind, or the id is missing.
pub fn asset(app: &App, grant: &AssetGrant) -> Result<(), String> {
    if !app.assets.contains(&grant.kind) {
        if app.assets.is_empty() {
            return Err(format!("{} has no assets; leave them out", app.name));
        }
        let known: Vec<&str> = app.assets.iter().map(String::as_str).collect();
        return Err(format!(
            "{} has no assets of kind '{}'; {}",
            app.name,
            shown(&grant.kind),
            hint(&grant.kind, &known)
        ));
    }
    if grant.id.is_empty() {
        return Err(String::from("the asset's id is empty"));
    }
    plain(&grant.id).map_err(|wrong| format!("the asset's id: {wrong}"))?;
    grant.tasks.iter().try_for_each(|task| asset_task(app, &grant.kind, task))
}

fn asset_task(app: &App, kind: &str, task: &str) -> Result<(), String> {
    match app.asset_tasks.get(kind) {
        Some(known) if !known.iter().any(|one| one == task) => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            Err(format!("tasks: {} of {} has no '{}'; {}", shown(kind), app.name, shown(task), hint(task, &known)))
        }
        Some(_) => Ok(()),
        None if visible::is_blank(task) => {
            Err(String::from("tasks: one of them is blank; an empty list gives full permission"))
        }
        None => plain(task).map_err(|wrong| format!("tasks: {wrong}")),
    }
}

/// All assets of a mapping: what is wrong, with the place of the asset in the list.
pub fn assets(app: &App, grants: &[AssetGrant]) -> Vec<(usize, String)> {
    let mut wrong = Vec::new();
    if grants.len() > MAPPING_ASSETS {
        wrong.push((MAPPING_ASSETS, format!("a mapping has at most {MAPPING_ASSETS} assets")));
    }
    let mut first: BTreeMap<(&str, &str), &[String]> = BTreeMap::new();
    for (place, grant) in grants.iter().enumerate() {
        if let Err(why) = asset(app, grant) {
            wrong.push((place, why));
            continue;
        }
        let before = first.entry((&grant.kind, &grant.id)).or_insert(&grant.tasks);
        if *before != grant.tasks.as_slice() {
            let what = format!("{} {}", shown(&grant.kind), shown(&grant.id));
            let why = "is there already with other tasks; name it once (no tasks give full permission)";
            wrong.push((place, format!("{what} {why}")));
        }
    }
    wrong
}

/// The `where` filter of a mapping: a SCIM filter on the user.
///
/// # Errors
/// What is wrong with the filter, in the words of the protocol.
pub fn scope(filter: &str) -> Result<(), String> {
    let parsed = Filter::parse(filter).map_err(|e| format!("where: {}", e.detail))?;
    parsed.resolve(ResourceKind::User).map_err(|e| format!("where: {}", e.detail))?;
    Ok(())
}

/// Limits of a hub.
///
/// # Errors
/// When a number makes no sense.
pub fn policy(policy: &HubPolicy) -> Result<(), String> {
    if policy.removal_percent > 100 {
        return Err(String::from("policy.removal_percent is a percentage: 0 to 100"));
    }
    if policy.sync_threshold_percent > 100 {
        return Err(String::from("policy.sync_threshold_percent is a percentage: 0 to 100"));
    }
    if !(1..=100).contains(&policy.max_in_flight) {
        return Err(String::from("policy.max_in_flight must be 1 to 100; use `scimhub pause` to stop pushing"));
    }
    if !(1..=ITEM_HOURS_MOST).contains(&policy.manual_due_hours) {
        return Err(format!("policy.manual_due_hours must be 1 to {ITEM_HOURS_MOST}"));
    }
    if policy.calls_per_second.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        return Err(String::from("policy.calls_per_second must be above 0; leave it out for no limit"));
    }
    Ok(())
}

/// The roles a hub protects: each is one of the app's.
///
/// # Errors
/// With the role that is not, or when there are too many.
pub fn protected_roles(app: &App, policy: &HubPolicy) -> Result<(), String> {
    if policy.protected_roles.len() > PROTECTED_ROLES {
        return Err(format!("policy.protected_roles has more than {PROTECTED_ROLES} roles"));
    }
    let known = |id: &str| app.role(id).is_some() || (app.open_roles && plain(id).is_ok() && !id.is_empty());
    match policy.protected_roles.iter().find(|id| !known(id)) {
        None => Ok(()),
        Some(id) => {
            let roles: Vec<&str> = app.roles.iter().map(|role| role.id.as_str()).collect();
            let hint = hint(id, &roles);
            Err(format!("policy.protected_roles: {} has no role '{}'; {hint}", app.name, shown(id)))
        }
    }
}

/// Somebody else's text inside a sentence of ours: short, and without control characters.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}
