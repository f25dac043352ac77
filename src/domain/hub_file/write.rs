//! From declarations to text: what `export` prints. Reading it back gives the same declarations,
//! so that applying an export changes nothing.

use std::fmt::Write as _;

use super::{Given, HubDecl, MappingDecl, Settings, text};
use crate::domain::hub::{Deprovision, Drift, HubMode, HubPolicy, Individual};
use crate::domain::hub_rules::login_word;
use crate::domain::mapping::{AssetGrant, HubRole, SubjectName};

/// Write hubs as a file.
pub fn write(hubs: &[HubDecl]) -> String {
    let mut out = String::new();
    for (index, hub) in hubs.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        write_hub(&mut out, hub);
    }
    out
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn write_hub(out: &mut String, hub: &HubDecl) {
    let _ = writeln!(out, "[[hub]]");
    let _ = writeln!(out, "id = {}", quoted(hub.slug.as_str()));
    if let Some(settings) = &hub.settings {
        write_settings(out, settings);
    }
    for mapping in &hub.mappings {
        out.push('\n');
        write_mapping(out, mapping);
    }
}

fn write_settings(out: &mut String, hub: &Settings) {
    let mode = match hub.mode {
        Some(HubMode::Active) => "active",
        Some(HubMode::Observe) | None => "observe",
    };
    let _ = writeln!(out, "app = {}", quoted(&hub.app));
    let _ = writeln!(out, "label = {}", quoted(&hub.label));
    let _ = writeln!(out, "login = {}", quoted(login_word(hub.login)));
    let _ = writeln!(out, "mode = {}", quoted(mode));
    let _ = writeln!(out, "settle = {}", quoted(&text::humane(hub.settle)));
    if !hub.connection.is_empty() {
        let fields: Vec<String> =
            hub.connection.iter().map(|(name, given)| format!("{} = {}", key(name), value(given))).collect();
        let _ = writeln!(out, "connection = {{ {} }}", fields.join(", "));
    }
    let policy = policy(&hub.policy);
    if !policy.is_empty() {
        let _ = writeln!(out, "policy = {{ {} }}", policy.join(", "));
    }
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { name.to_owned() } else { quoted(name) }
}

fn value(given: &Given) -> String {
    match given {
        Given::Plain(text) => quoted(text),
        Given::Secret(name) => format!("{{ secret = {} }}", quoted(name)),
        Given::Env(name) => format!("{{ env = {} }}", quoted(name)),
    }
}

/// Only what differs from the default: a file should say what somebody decided.
fn policy(policy: &HubPolicy) -> Vec<String> {
    let default = HubPolicy::default();
    let mut parts = Vec::new();
    if policy.removal_limit != default.removal_limit {
        parts.push(format!("removal_limit = {}", policy.removal_limit));
    }
    if policy.removal_percent != default.removal_percent {
        parts.push(format!("removal_percent = {}", policy.removal_percent));
    }
    if let Some(seats) = policy.max_seats {
        parts.push(format!("max_seats = {seats}"));
    }
    if let Some(limit) = policy.addition_limit {
        parts.push(format!("addition_limit = {limit}"));
    }
    match policy.deprovision {
        Deprovision::Remove => {}
        Deprovision::Suspend => parts.push(String::from("deprovision = \"suspend\"")),
    }
    match policy.individual {
        Individual::Remove => {}
        Individual::Ask => parts.push(String::from("individual = \"ask\"")),
    }
    if policy.max_in_flight != default.max_in_flight {
        parts.push(format!("max_in_flight = {}", policy.max_in_flight));
    }
    if let Some(rate) = policy.calls_per_second {
        parts.push(format!("calls_per_second = {rate:?}"));
    }
    if policy.sync_threshold_percent != default.sync_threshold_percent {
        parts.push(format!("sync_threshold_percent = {}", policy.sync_threshold_percent));
    }
    match policy.drift {
        Drift::Report => {}
        Drift::Repair => parts.push(String::from("drift = \"repair\"")),
    }
    if !policy.create_fields.is_empty() {
        let pairs: Vec<String> =
            policy.create_fields.iter().map(|(name, attribute)| format!("{name} = {}", quoted(attribute))).collect();
        parts.push(format!("create_fields = {{ {} }}", pairs.join(", ")));
    }
    if !policy.protected_roles.is_empty() {
        let roles: Vec<String> = policy.protected_roles.iter().map(|role| quoted(role)).collect();
        parts.push(format!("protected_roles = [{}]", roles.join(", ")));
    }
    if policy.manual_due_hours != default.manual_due_hours {
        parts.push(format!("manual_due_hours = {}", policy.manual_due_hours));
    }
    parts
}

fn write_mapping(out: &mut String, mapping: &MappingDecl) {
    let _ = writeln!(out, "  [[hub.mapping]]");
    let (name, subject) = match &mapping.subject {
        SubjectName::Group(name) => ("group", name.clone()),
        SubjectName::GroupId(id) => ("group_id", id.to_string()),
        SubjectName::GroupExternalId(id) => ("external_id", id.clone()),
        SubjectName::User(name) => ("user", name.clone()),
    };
    let _ = writeln!(out, "  {name} = {}", quoted(&subject));
    if let Some(source) = &mapping.source {
        let _ = writeln!(out, "  source = {}", quoted(source));
    }
    if let Some(scope) = &mapping.scope {
        let _ = writeln!(out, "  where = {}", quoted(scope));
    }
    match mapping.hub_role {
        HubRole::Collaborator => {}
        HubRole::Manager => {
            let _ = writeln!(out, "  hub_role = \"manager\"");
        }
        HubRole::Owner => {
            let _ = writeln!(out, "  hub_role = \"owner\"");
        }
    }
    if !mapping.app_role.is_empty() {
        let _ = writeln!(out, "  app_role = {}", quoted(&mapping.app_role));
    }
    if !mapping.seat {
        let _ = writeln!(out, "  seat = false");
    }
    if !mapping.assets.is_empty() {
        let assets: Vec<String> = mapping.assets.iter().map(asset).collect();
        let _ = writeln!(out, "  assets = [{}]", assets.join(", "));
    }
}

fn asset(grant: &AssetGrant) -> String {
    let mut text = format!("{{ kind = {}, id = {}", quoted(&grant.kind), quoted(&grant.id));
    if !grant.tasks.is_empty() {
        let tasks: Vec<String> = grant.tasks.iter().map(|task| quoted(task)).collect();
        let _ = write!(text, ", tasks = [{}]", tasks.join(", "));
    }
    text.push_str(" }");
    text
}
