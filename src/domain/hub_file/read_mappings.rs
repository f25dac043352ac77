//! A hub's `[[hub.mapping]]` tables.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::table::{At, Fields, Reader, wrong_type};
use super::{Identity, MappingDecl, Place};
use crate::base::ids::GroupId;
use crate::base::limits::IDENTIFIER_BYTES;
use crate::domain::app::App;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{AssetGrant, HubRole, SubjectName};

const MAPPING_KEYS: [&str; 10] =
    ["group", "group_id", "external_id", "user", "source", "where", "hub_role", "app_role", "seat", "assets"];

/// What a mapping's role and assets are held against.
#[derive(Clone, Copy)]
pub(super) enum Roles<'a> {
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

/// The mappings of a hub, in the file's order; two of the same subject and condition are a mistake.
pub(super) fn mappings(reader: &mut Reader<'_>, hub: &Fields<'_, '_>, roles: Roles<'_>) -> Vec<MappingDecl> {
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

pub(super) fn subject(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<SubjectName> {
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
    let (mut found, mut places) = (Vec::new(), Vec::new());
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
            places.push(kind.offset);
            found.push(grant);
        }
    }
    for (place, why) in app.map(|app| rules::assets(app, &found)).unwrap_or_default() {
        reader.say(places.get(place).copied().unwrap_or(mapping.offset), why);
    }
    found
}
