//! From text to declarations, checked against the catalog of apps.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::table::{At, Fields, Reader, wrong_type};
use super::{FILE_BYTES, Given, HubDecl, Identity, MappingDecl, Place, Problem, Settings};
use crate::base::ids::{GroupId, HubSlug};
use crate::base::limits::IDENTIFIER_BYTES;
use crate::domain::app::App;
use crate::domain::catalog::Catalog;
use crate::domain::hub::{Deprovision, Drift, HubMode, HubPolicy, Individual, Login};
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{AssetGrant, HubRole, SubjectName};
use crate::scim::fold;

const HUB_KEYS: [&str; 9] = ["id", "app", "label", "login", "mode", "settle", "connection", "policy", "mapping"];
/// What a hub that is only named must not have: these make it a declaration.
const SETTINGS: [&str; 6] = ["label", "login", "mode", "settle", "connection", "policy"];
const MAPPING_KEYS: [&str; 10] =
    ["group", "group_id", "external_id", "user", "source", "where", "hub_role", "app_role", "seat", "assets"];
const POLICY_KEYS: [&str; 13] = [
    "create_fields",
    "protected_roles",
    "individual",
    "sync_threshold_percent",
    "drift",
    "manual_due_hours",
    "removal_limit",
    "removal_percent",
    "max_seats",
    "addition_limit",
    "deprovision",
    "max_in_flight",
    "calls_per_second",
];

/// What a mapping's role and assets are held against.
#[derive(Clone, Copy)]
enum Roles<'a> {
    /// The app of the hub.
    Of(&'a App),
    /// The hub's app is a mistake of its own.
    Unknown,
    /// The hub is declared elsewhere: told when the files meet it.
    Elsewhere,
}

impl<'a> Roles<'a> {
    const fn app(self) -> Option<&'a App> {
        match self {
            Self::Of(app) => Some(app),
            Self::Unknown | Self::Elsewhere => None,
        }
    }
}

/// Read one file.
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
    let top = Fields::of(&mut reader, document.get_ref(), &document.span(), "the file", &["hub"]);
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

fn policy(reader: &mut Reader<'_>, hub: &Fields<'_, '_>, app: Option<&App>) -> HubPolicy {
    let mut policy = HubPolicy::default();
    let Some(value) = hub.get("policy") else { return policy };
    let DeValue::Table(table) = value.get_ref() else {
        reader.say(value.span().start, wrong_type("policy", "a table like { max_seats = 50 }", value.get_ref()));
        return policy;
    };
    let fields = Fields::of(reader, table, &value.span(), "policy", &POLICY_KEYS);
    if let Some(limit) = number(reader, &fields, "removal_limit") {
        policy.removal_limit = limit;
    }
    if let Some(percent) = number(reader, &fields, "removal_percent") {
        policy.removal_percent = percent;
    }
    policy.max_seats = number(reader, &fields, "max_seats");
    policy.addition_limit = number(reader, &fields, "addition_limit");
    if let Some(many) = number(reader, &fields, "max_in_flight") {
        policy.max_in_flight = many;
    }
    policy.calls_per_second = rate(reader, &fields, "calls_per_second");
    let words = [("remove", Deprovision::Remove), ("suspend", Deprovision::Suspend)];
    if let Some(deprovision) = fields.word(reader, "deprovision", &words) {
        policy.deprovision = deprovision.value;
    }
    let words = [("remove", Individual::Remove), ("ask", Individual::Ask)];
    if let Some(individual) = fields.word(reader, "individual", &words) {
        policy.individual = individual.value;
    }
    if let Some(percent) = number(reader, &fields, "sync_threshold_percent") {
        policy.sync_threshold_percent = percent;
    }
    let words = [("report", Drift::Report), ("repair", Drift::Repair)];
    if let Some(drift) = fields.word(reader, "drift", &words) {
        policy.drift = drift.value;
    }
    if let Some(value) = fields.get("create_fields") {
        policy.create_fields = create_fields(reader, value, app);
    }
    for item in fields.list(reader, "protected_roles") {
        match item.get_ref() {
            DeValue::String(text) => policy.protected_roles.push(text.to_string()),
            other => {
                reader.say(item.span().start, wrong_type("protected_roles", "a list of role ids in quotes", other));
            }
        }
    }
    if let Some(app) = app {
        reader.check(fields.offset, rules::protected_roles(app, &policy));
    }
    if let Some(hours) = number(reader, &fields, "manual_due_hours") {
        policy.manual_due_hours = hours;
    }
    reader.check(fields.offset, rules::policy(&policy));
    policy
}

/// `{ birth_date = "urn:…:birthDate" }`: from which attribute of a user each field is read.
fn create_fields(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, app: Option<&App>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let DeValue::Table(table) = value.get_ref() else {
        let wanted = "a table like { cost_center = \"title\" }";
        reader.say(value.span().start, wrong_type("create_fields", wanted, value.get_ref()));
        return found;
    };
    for (key, value) in table {
        let name = key.get_ref().to_string();
        let DeValue::String(attribute) = value.get_ref() else {
            reader.say(value.span().start, wrong_type(&name, "the name of an attribute in quotes", value.get_ref()));
            continue;
        };
        if let Some(app) = app {
            reader.check(value.span().start, rules::create_field(app, &name, attribute));
        }
        found.insert(name, attribute.to_string());
    }
    found
}

fn number(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, name: &str) -> Option<u32> {
    let value = fields.get(name)?;
    let parsed = match value.get_ref() {
        DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    if parsed.is_none() {
        reader.say(value.span().start, format!("{name} must be a whole number from 0 to {}", u32::MAX));
    }
    parsed
}

fn rate(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, name: &str) -> Option<f64> {
    let value = fields.get(name)?;
    let parsed = match value.get_ref() {
        DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok().map(f64::from),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    };
    if parsed.is_none() {
        reader.say(value.span().start, format!("{name} must be a number like 2 or 0.5"));
    }
    parsed
}

fn mappings(reader: &mut Reader<'_>, hub: &Fields<'_, '_>, roles: Roles<'_>) -> Vec<MappingDecl> {
    let mut found: Vec<MappingDecl> = Vec::new();
    let mut first: BTreeMap<Identity, usize> = BTreeMap::new();
    for item in hub.list(reader, "mapping") {
        let DeValue::Table(table) = item.get_ref() else {
            reader.say(item.span().start, wrong_type("mapping", "a table [[hub.mapping]]", item.get_ref()));
            continue;
        };
        let fields = Fields::of(reader, table, &item.span(), "a mapping", &MAPPING_KEYS);
        let Some(declared) = mapping(reader, &fields, roles) else { continue };
        if let Some(line) = first.get(&declared.identity()) {
            let what = super::subject_text(&declared.subject);
            reader.say(
                fields.offset,
                format!("{what} with the same where is mapped in this hub on line {line} already; keep one of them"),
            );
        } else {
            first.insert(declared.identity(), declared.place.line);
            found.push(declared);
        }
    }
    found
}

fn mapping(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, app: Roles<'_>) -> Option<MappingDecl> {
    let subject = subject(reader, fields);
    let source = fields.text(reader, "source").map(|source| source.value);
    let scope = fields.text(reader, "where");
    if let Some(scope) = &scope {
        reader.check(scope.offset, rules::scope(&scope.value));
    }
    let words = [("owner", HubRole::Owner), ("manager", HubRole::Manager), ("collaborator", HubRole::Collaborator)];
    let hub_role = fields.word(reader, "hub_role", &words).map_or(HubRole::Collaborator, |role| role.value);
    let seat = fields.flag(reader, "seat").unwrap_or(true);
    if !seat && hub_role == HubRole::Collaborator {
        reader.say(fields.offset, "a collaborator always takes a seat; write hub_role = \"owner\" or leave seat out");
    }
    let app_role = app_role(reader, fields, app, seat);
    let assets = assets(reader, fields, app.app());
    Some(MappingDecl {
        place: Place { file: reader.file.to_owned(), line: reader.line(fields.offset) },
        subject: subject?,
        source,
        scope: scope.map(|scope| scope.value).filter(|scope| !scope.trim().is_empty()),
        hub_role,
        app_role: app_role?,
        seat,
        assets,
    })
}

/// A seat needs a role where the app has roles; without a seat none is used, so it may be absent.
fn app_role(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, roles: Roles<'_>, seat: bool) -> Option<String> {
    let app = roles.app();
    let needs = seat
        && match roles {
            Roles::Of(app) => !app.roles.is_empty(),
            Roles::Unknown => true,
            Roles::Elsewhere => false,
        };
    let role = if needs {
        let example =
            app.and_then(|app| app.roles.first()).map_or("\"…\"".to_owned(), |role| format!("\"{}\"", role.id));
        fields.needed(reader, "app_role", &example)?
    } else {
        match fields.text(reader, "app_role") {
            Some(role) => role,
            None => return Some(String::new()),
        }
    };
    if let Some(app) = app {
        reader.check(role.offset, rules::role(app, &role.value));
    }
    Some(role.value)
}

fn subject(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<SubjectName> {
    let names = ["group", "group_id", "external_id", "user"];
    let given: Vec<&str> = names.into_iter().filter(|name| fields.get(name).is_some()).collect();
    let [one] = given.as_slice() else {
        let message = if given.is_empty() {
            String::from("a mapping needs a subject: group = \"…\", group_id, external_id or user = \"…\"")
        } else {
            format!("a mapping has one subject, not {}; make one mapping for each", given.len())
        };
        reader.say(fields.offset, message);
        return None;
    };
    let At { value, offset } = fields.text(reader, one)?;
    if value.trim().is_empty() || value.len() > IDENTIFIER_BYTES || value.chars().any(char::is_control) {
        reader.say(offset, format!("{one} must have 1 to {IDENTIFIER_BYTES} bytes and no control characters"));
        return None;
    }
    match *one {
        "group" => Some(SubjectName::Group(value)),
        "external_id" => Some(SubjectName::GroupExternalId(value)),
        "user" => Some(SubjectName::User(value)),
        _ => match value.parse::<GroupId>() {
            Ok(id) => Some(SubjectName::GroupId(id)),
            Err(_) => {
                reader.say(offset, "group_id is a group's SCIM id; use group = \"…\" for its displayName");
                None
            }
        },
    }
}

fn assets(reader: &mut Reader<'_>, mapping: &Fields<'_, '_>, app: Option<&App>) -> Vec<AssetGrant> {
    let mut found = Vec::new();
    for item in mapping.list(reader, "assets") {
        let DeValue::Table(table) = item.get_ref() else {
            reader.say(
                item.span().start,
                wrong_type("an asset", "a table like { kind = \"…\", id = \"…\" }", item.get_ref()),
            );
            continue;
        };
        let fields = Fields::of(reader, table, &item.span(), "an asset", &["kind", "id", "tasks"]);
        let kind = fields.needed(reader, "kind", "\"ad_account\"");
        let id = fields.needed(reader, "id", "\"act_1\"");
        let mut tasks = Vec::new();
        for task in fields.list(reader, "tasks") {
            match task.get_ref() {
                DeValue::String(text) => tasks.push(text.to_string()),
                other => reader.say(task.span().start, wrong_type("a task", "a text in quotes", other)),
            }
        }
        if let (Some(kind), Some(id)) = (kind, id) {
            let grant = AssetGrant { kind: kind.value, id: id.value, tasks };
            if let Some(app) = app {
                reader.check(kind.offset, rules::asset(app, &grant));
            }
            found.push(grant);
        }
    }
    found
}
