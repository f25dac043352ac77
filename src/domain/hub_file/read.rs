//! From text to declarations, checked against the catalog of apps.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::read_mappings::{Roles, mappings};
use super::read_policy::policy;
use super::table::{Fields, Reader, wrong_type};
use super::{FILE_BYTES, Given, HubDecl, MappingDecl, Place, Problem, Settings};
use crate::base::ids::HubSlug;
use crate::domain::app::App;
use crate::domain::catalog::Catalog;
use crate::domain::hub::{HubMode, Login};
use crate::domain::hub_rules as rules;
use crate::scim::fold;

const HUB_KEYS: [&str; 9] = ["id", "app", "label", "login", "mode", "settle", "connection", "policy", "mapping"];
/// What a hub that is only named must not have: these make it a declaration.
const SETTINGS: [&str; 6] = ["label", "login", "mode", "settle", "connection", "policy"];
/// What a file may have at its top.
pub(super) const SECTIONS: [&str; 2] = ["hub", super::roles::SECTION];

/// Read the hubs of one file.
///
/// # Errors
/// All mistakes of the file, by line.
pub fn read(file: &str, text: &str, catalog: &Catalog) -> Result<Vec<HubDecl>, Vec<Problem>> {
    let mut reader = Reader::new(file, text);
    if text.len() > FILE_BYTES {
        reader.say(0, format!("the file is larger than {FILE_BYTES} bytes; split it into a folder of files"));
        return Err(reader.problems);
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reader.say(error.span().map_or(0, |span| span.start), error.message().to_owned());
    }
    if !reader.problems.is_empty() {
        // The rest of a broken text would be guesses.
        return Err(sorted(reader.problems));
    }
    let top = Fields::of(&mut reader, document.get_ref(), &document.span(), "the file", &SECTIONS);
    let mut hubs = Vec::new();
    for item in top.list(&mut reader, "hub") {
        match item.get_ref() {
            DeValue::Table(table) => hubs.extend(hub(&mut reader, table, &item.span(), catalog)),
            other => reader.say(item.span().start, wrong_type("hub", "a table [[hub]]", other)),
        }
    }
    if reader.problems.is_empty() { Ok(hubs) } else { Err(sorted(reader.problems)) }
}

/// What only shows when all files of a folder are seen together. A hub is declared once; files that
/// only name it add their mappings to that one.
///
/// # Errors
/// One problem for each repetition, naming the first place.
pub fn together(hubs: Vec<HubDecl>) -> Result<Vec<HubDecl>, Vec<Problem>> {
    let mut all: Vec<HubDecl> = Vec::new();
    let mut problems = Vec::new();
    for hub in hubs {
        match all.iter_mut().find(|first| first.slug == hub.slug) {
            Some(first) => merge(first, hub, &mut problems),
            None => all.push(hub),
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(sorted(problems)) }
}

/// What two declared hubs of an app have and only one may: told at the later one's place.
pub fn shared(hubs: &[HubDecl], catalog: &Catalog) -> Vec<Problem> {
    let mut found = Vec::new();
    for (at, hub) in hubs.iter().enumerate() {
        let Some(settings) = &hub.settings else { continue };
        let Some(app) = catalog.get(&settings.app) else { continue };
        for field in app.fields.iter().filter(|field| field.is_unique()) {
            let value = |settings: &Settings| match settings.connection.get(&field.name) {
                Some(Given::Plain(value)) => Some(fold::user_name(value)),
                Some(Given::Secret(_) | Given::Env(_)) | None => None,
            };
            let Some(mine) = value(settings) else { continue };
            let first = hubs.iter().take(at).find(|other| {
                other
                    .settings
                    .as_ref()
                    .is_some_and(|other| other.app == settings.app && value(other).as_ref() == Some(&mine))
            });
            if let Some(first) = first {
                found.push(Problem {
                    file: hub.place.file.clone(),
                    line: hub.place.line,
                    message: format!(
                        "connection.{}: the hub '{}' at {} has it already; it tells one hub of {} from another",
                        field.name, first.slug, first.place, app.name
                    ),
                });
            }
        }
    }
    found
}

fn merge(first: &mut HubDecl, hub: HubDecl, problems: &mut Vec<Problem>) {
    let mut say = |place: &Place, message: String| {
        problems.push(Problem { file: place.file.clone(), line: place.line, message });
    };
    match (&first.settings, hub.settings) {
        (Some(_), Some(_)) => {
            say(&hub.place, format!("the hub '{}' is declared at {} already; ids are unique", hub.slug, first.place));
            return;
        }
        (None, Some(settings)) => {
            first.settings = Some(settings);
            first.place = hub.place;
        }
        (_, None) => {}
    }
    for mapping in hub.mappings {
        let same = |other: &&MappingDecl| other.identity() == mapping.identity();
        match first.mappings.iter().find(same) {
            Some(other) => {
                let what = super::subject_text(&mapping.subject);
                let message = format!(
                    "{what} with the same where is mapped in this hub at {} already; keep one of them",
                    other.place
                );
                say(&mapping.place, message);
            }
            None => first.mappings.push(mapping),
        }
    }
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort();
    problems
}

fn hub(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    span: &std::ops::Range<usize>,
    catalog: &Catalog,
) -> Option<HubDecl> {
    let fields = Fields::of(reader, table, span, "a hub", &HUB_KEYS);
    let slug = fields.needed(reader, "id", "\"marketing-meta\"").and_then(|id| match id.value.parse::<HubSlug>() {
        Ok(slug) => Some(slug),
        Err(_) => {
            reader.say(id.offset, "id has 1 to 64 characters of a-z, 0-9 and '-', and no '-' at its ends");
            None
        }
    });
    if fields.get("app").is_none() && !SETTINGS.iter().any(|key| fields.get(key).is_some()) {
        // Named, not declared: its app is known only where the hub is.
        let mappings = mappings(reader, &fields, Roles::Elsewhere);
        let place = Place { file: reader.file.to_owned(), line: reader.line(fields.offset) };
        if mappings.is_empty() {
            reader.say(
                fields.offset,
                "app is missing; add a line like app = \"scim\", or mappings for a hub declared elsewhere",
            );
        }
        return Some(HubDecl { place, slug: slug?, settings: None, mappings });
    }
    let app = fields.needed(reader, "app", "\"scim\"").and_then(|id| match rules::app(catalog, &id.value) {
        Ok(app) => Some(app),
        Err(message) => {
            reader.say(id.offset, message);
            None
        }
    });
    let label = fields.text(reader, "label");
    if let Some(label) = &label {
        reader.check(label.offset, rules::label(&label.value));
    }
    let login = fields.word(reader, "login", &[("sso", Login::Sso), ("password", Login::Password)]);
    let mode = fields.word(reader, "mode", &[("observe", HubMode::Observe), ("active", HubMode::Active)]);
    let settle = fields.duration(reader, "settle");
    let connection = connection(reader, &fields, app);
    let policy = policy(reader, &fields, app);
    let mappings = mappings(reader, &fields, app.map_or(Roles::Unknown, Roles::Of));
    let (slug, app) = (slug?, app?);
    if let Some(login) = &login {
        reader.check(login.offset, rules::login(app, login.value));
    }
    Some(HubDecl {
        place: Place { file: reader.file.to_owned(), line: reader.line(fields.offset) },
        settings: Some(Settings {
            app: app.id.clone(),
            label: label.map_or_else(|| slug.to_string(), |label| label.value),
            login: login.map(|login| login.value).or_else(|| app.logins.first().copied())?,
            mode: mode.map(|mode| mode.value),
            settle: settle.unwrap_or_else(|| app.settle()),
            connection,
            policy,
        }),
        slug,
        mappings,
    })
}

fn connection(reader: &mut Reader<'_>, hub: &Fields<'_, '_>, app: Option<&App>) -> BTreeMap<String, Given> {
    let mut found = BTreeMap::new();
    let mut offset = hub.offset;
    if let Some(value) = hub.get("connection") {
        offset = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            reader.say(offset, wrong_type("connection", "a table like { base_url = \"https://…\" }", value.get_ref()));
            return found;
        };
        for (key, value) in table {
            let name: &str = key.get_ref();
            let Some(given) = given(reader, name, value) else { continue };
            if let Some(app) = app {
                // An unknown field is told at its name, a wrong value where it stands.
                let known = app.fields.iter().any(|field| field.name == name);
                let at = if known { value.span().start } else { key.span().start };
                reader.check(at, rules::field(app, name, &given));
            }
            found.insert(name.to_owned(), given);
        }
    }
    if let Some(app) = app {
        let named = |name: &str| match hub.get("connection").map(Spanned::get_ref) {
            Some(DeValue::Table(table)) => table.iter().any(|(key, _)| key.get_ref() == name),
            _ => false,
        };
        for field in rules::missing(app, named) {
            let example = if field.secret { "{ secret = \"NAME\" }" } else { "\"…\"" };
            reader.say(
                offset,
                format!("connection.{} ({}) is missing; add {} = {example}", field.name, field.label, field.name),
            );
        }
    }
    found
}

fn given(reader: &mut Reader<'_>, name: &str, value: &Spanned<DeValue<'_>>) -> Option<Given> {
    let offset = value.span().start;
    match value.get_ref() {
        DeValue::String(text) => Some(Given::Plain(text.to_string())),
        DeValue::Boolean(flag) => Some(Given::Plain(flag.to_string())),
        DeValue::Integer(_) => {
            reader.say(offset, format!("{name} must be in quotes, so that no digit is lost"));
            None
        }
        DeValue::Table(table) => {
            let fields = Fields::of(reader, table, &value.span(), name, &["secret", "env"]);
            let (secret, env) = (fields.text(reader, "secret"), fields.text(reader, "env"));
            match (secret, env) {
                (Some(secret), None) => Some(Given::Secret(secret.value)),
                (None, Some(env)) => Some(Given::Env(env.value)),
                (Some(_), Some(_)) => {
                    reader.say(offset, format!("{name} is either {{ secret = … }} or {{ env = … }}, not both"));
                    None
                }
                (None, None) => {
                    if fields.get("secret").is_none() && fields.get("env").is_none() {
                        reader.say(
                            offset,
                            format!("{name} must be a text, {{ secret = \"NAME\" }} or {{ env = \"NAME\" }}"),
                        );
                    }
                    None
                }
            }
        }
        other @ (DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_)) => {
            reader.say(offset, wrong_type(name, "a text in quotes", other));
            None
        }
    }
}
