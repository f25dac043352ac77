//! A hub's `policy = { … }`.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use super::table::{Fields, Reader, wrong_type};
use crate::domain::app::App;
use crate::domain::hub::{Deprovision, Drift, HubPolicy, Individual};
use crate::domain::hub_rules as rules;

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

/// The limits and choices of a hub; what is not named stays as it is by default.
pub(super) fn policy(reader: &mut Reader<'_>, hub: &Fields<'_, '_>, app: Option<&App>) -> HubPolicy {
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
