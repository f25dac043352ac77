//! What a hub and its mappings must satisfy against their app's manifest. One set of rules for
//! files, the API and the command line; each answer is a sentence that says what to do next.

use serde::Serialize;

use crate::base::limits::{ITEM_HOURS_MOST, PROTECTED_ROLES};
use crate::base::nearest::{hint, quoted};
use crate::base::visible;
use crate::domain::app::{App, Field, FieldFormat};
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

/// A connection field as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The value itself.
    Plain(String),
    /// `{ secret = "NAME" }`: set by `secret set` or the write-only API.
    Secret(String),
    /// `{ env = "NAME" }`: read by a local command from its own environment, then sealed.
    Env(String),
}

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
/// When it is blank, too long or holds control characters.
pub fn label(text: &str) -> Result<(), String> {
    if visible::is_blank(text) {
        return Err(String::from("the label is blank; give the hub a name that people recognise"));
    }
    plain(text)
}

fn plain(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err(String::from("it holds control characters; write it on one line"));
    }
    if text.chars().count() > TEXT_CHARACTERS {
        return Err(format!("it is longer than {TEXT_CHARACTERS} characters"));
    }
    Ok(())
}

/// One connection field.
///
/// # Errors
/// When the app has no such field, a secret is written out, or the value has not the field's form.
/// The value itself is never part of the sentence.
pub fn field(app: &App, name: &str, given: &Given) -> Result<(), String> {
    let Some(field) = app.fields.iter().find(|field| field.name == name) else {
        let known: Vec<&str> = app.fields.iter().map(|field| field.name.as_str()).collect();
        return Err(format!("{} has no connection field '{name}'; {}", app.name, hint(name, &known)));
    };
    match given {
        Given::Plain(_) if field.secret => Err(format!(
            "{name} is a secret and must not be written out; write {name} = {{ secret = \"NAME\" }} and set it with `scimhub secret set`"
        )),
        Given::Plain(value) => form(field, value).map_err(|wrong| format!("{name}: {wrong}")),
        Given::Secret(reference) | Given::Env(reference) => {
            if !field.secret {
                return Err(format!("{name} is not a secret; write its value out"));
            }
            secret_name(reference).map_err(|wrong| format!("{name}: {wrong}"))
        }
    }
}

/// The name of a secret or of an environment variable.
///
/// # Errors
/// When it is not 1 to 100 letters, digits, `_`, `-` or `.`.
pub fn secret_name(name: &str) -> Result<(), String> {
    let fits = (1..=100).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if fits { Ok(()) } else { Err(String::from("the name of a secret has 1 to 100 letters, digits, '_', '-' or '.'")) }
}

fn form(field: &Field, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(String::from("it is empty; leave the field out or give it a value"));
    }
    plain(value)?;
    if value.trim() != value || value.contains("  ") {
        return Err(String::from("it has blanks at an end, or two in a row; write it as the app does"));
    }
    match field.format {
        FieldFormat::Text if !field.values.is_empty() && !field.values.iter().any(|known| known == value) => {
            let known: Vec<&str> = field.values.iter().map(String::as_str).collect();
            Err(format!("it must be one of {}", quoted(&known)))
        }
        FieldFormat::Text => Ok(()),
        FieldFormat::Url => url(value),
        FieldFormat::Digits => {
            if !value.bytes().all(|b| b.is_ascii_digit()) {
                return Err(String::from("it must be digits only, without spaces or dashes"));
            }
            match field.length {
                Some(length) if value.len() != length => {
                    Err(format!("it must have {length} digits; this has {}", value.len()))
                }
                Some(_) | None => Ok(()),
            }
        }
        FieldFormat::Slug => {
            let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
            if value.len() <= 100 && value.split(['-', '_']).all(word) {
                Ok(())
            } else {
                Err(String::from(
                    "it must be as in the address: letters and digits with single '-' or '_' between them",
                ))
            }
        }
        FieldFormat::Account => {
            if value.len() <= 254 && !value.chars().any(char::is_whitespace) {
                Ok(())
            } else {
                Err(String::from("it must be the account's sign-in name: at most 254 characters, no spaces"))
            }
        }
        FieldFormat::UniqueIdentifier => {
            if (3..=30).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric()) {
                Ok(())
            } else {
                Err(String::from("it must be 3 to 30 letters and digits, without symbols"))
            }
        }
        FieldFormat::Flag => match value {
            "true" | "false" => Ok(()),
            _ => Err(String::from("it must be true or false")),
        },
    }
}

/// An http or https address without credentials, query or fragment in it: a password in a URL
/// would be stored and shown in the clear.
fn url(value: &str) -> Result<(), String> {
    let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    let Some(rest) = rest else { return Err(String::from("it must begin with https:// (or http://)")) };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() {
        return Err(String::from("the host is missing"));
    }
    if host.contains('@') {
        return Err(String::from("it must not hold a user name or password; set those as secrets"));
    }
    // `https://user:pass/word@host`: a slash in a password that somebody pasted in ends the host early.
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    if !host.ends_with(']') && !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(String::from("what follows ':' is no port; a password is set as a secret, not in the address"));
    }
    if value.contains(['?', '#']) {
        return Err(String::from("it must not hold a query or fragment"));
    }
    let strange = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\' | '{' | '}');
    if host.chars().any(strange) || path.chars().any(strange) {
        return Err(String::from("it holds characters that no address has"));
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

/// The fields that must be there and are not.
pub fn missing(app: &App, has: impl Fn(&str) -> bool) -> Vec<&Field> {
    app.fields.iter().filter(|field| !field.optional && !has(&field.name)).collect()
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
    plain(&grant.id).map_err(|wrong| format!("the asset's id: {wrong}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_their_forms() {
        let catalog = Catalog::builtin().unwrap();
        let plain = |value: &str| Given::Plain(value.to_owned());
        let meta = app(&catalog, "meta-business").unwrap();
        let scim = app(&catalog, "scim").unwrap();
        let ahrefs = app(&catalog, "ahrefs").unwrap();
        let chatgpt = app(&catalog, "chatgpt").unwrap();
        let good = [
            (meta, "business_id", plain("123")),
            (meta, "access_token", Given::Secret(String::from("META_TOKEN"))),
            (scim, "base_url", plain("https://app.example/scim/v2")),
            (scim, "base_url", plain("https://[2001:db8::1]/scim")),
            (scim, "base_url", plain("https://[2001:db8::1]:8443/scim")),
            (ahrefs, "unique_identifier", plain("abc")),
            (chatgpt, "business_id", plain("Space One")),
        ];
        for (app, name, given) in good {
            assert_eq!(field(app, name, &given), Ok(()), "{name} {given:?}");
        }
        let bad = [
            (meta, "business_id", plain("12 3")),
            (meta, "business_id", Given::Secret(String::from("X"))),
            (meta, "access_token", plain("EAAB-very-secret")),
            (meta, "acess_token", plain("x")),
            (scim, "base_url", plain("ftp://app.example")),
            (scim, "base_url", plain("https://me:pw@app.example/")),
            (scim, "base_url", plain("https://me:p/w@app.example/")),
            (scim, "base_url", plain("https://app.example:443x/")),
            (scim, "base_url", plain("https:///x")),
            (scim, "base_url", plain("https://app.example/?token=1")),
            (scim, "token", Given::Secret(String::from("a b"))),
            (ahrefs, "unique_identifier", plain("ab")),
            (ahrefs, "unique_identifier", plain("with-dash")),
            (chatgpt, "business_id", plain("Space One ")),
            (chatgpt, "business_id", plain("Space  One")),
        ];
        for (app, name, given) in bad {
            let wrong = field(app, name, &given).unwrap_err();
            assert!(!wrong.contains("EAAB") && !wrong.contains("pw@"), "{wrong}");
        }
    }
}
