//! The digest of a shown plan: SHA-256 over a canonical form of the steps and of their effects on
//! people. The same for the same wish in the same world, whoever asks and whenever.
//!
//! Left out on purpose: ids that are made anew with every look, times, the commit (a pull request
//! and its merge have different ones and mean the same), who manages nothing but the label of a
//! request, and the guard, whose window moves with time and only ever holds back.

use std::str::FromStr;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::effects::HubEffect;
use super::steps::{Diff, Step};
use crate::domain::hub::Hub;
use crate::domain::hub_file::subject_text;
use crate::domain::mapping::{Binding, Mapping};
use crate::service::ServiceError;
use crate::store::role_files::RoleRow;

/// What a plan comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl FromStr for Digest {
    type Err = ServiceError;

    /// 64 hex digits.
    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let wrong = || {
            ServiceError::Invalid(String::from(
                "expect is not a digest: give the 64 hex digits that a plan or preview shows as `digest`",
            ))
        };
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What the effects come to: the long part, made where they were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) struct EffectsDigest([u8; 32]);

/// The digest of the effects alone.
pub(in crate::service) fn of_effects(effects: &[HubEffect]) -> EffectsDigest {
    let effects: Vec<Value> = effects.iter().map(effect).collect();
    EffectsDigest(Sha256::digest(Value::Array(effects).to_string()).into())
}

/// The digest of a change whose effects come to this.
pub(in crate::service) fn digest(diff: &Diff, effects: &EffectsDigest) -> Digest {
    let steps: Vec<Value> = diff.steps.iter().map(step).collect();
    let bindings: Vec<Value> =
        diff.plan.bindings.iter().map(|one| json!([one.hub, one.subject, one.state, one.to])).collect();
    let mut content = vec![json!("scimhub plan 1"), Value::Array(steps), Value::Array(bindings)];
    if !diff.plan.role_changes.is_empty() {
        content.push(json!(diff.plan.role_changes));
    }
    let content = Value::Array(content);
    Digest(Sha256::new().chain_update(content.to_string()).chain_update(effects.0).finalize().into())
}

fn step(step: &Step) -> Value {
    match step {
        Step::AddHub(hub) => json!(["add hub", hub.slug, shape(hub)]),
        Step::ChangeHub { before, after, .. } => json!(["change hub", after.slug, shape(before), shape(after)]),
        Step::RemoveHub(hub) => json!(["remove hub", hub.slug, shape(hub)]),
        Step::AddMapping(hub, mapping) => json!(["add mapping", hub.slug, rule(mapping)]),
        Step::ChangeMapping { hub, before, after } => json!(["change mapping", hub.slug, rule(before), rule(after)]),
        Step::RemoveMapping(hub, mapping) => json!(["remove mapping", hub.slug, rule(mapping)]),
        Step::BindMapping { hub, before, after } => json!(["bind mapping", hub.slug, rule(before), rule(after)]),
        Step::Seal(hub, name, _) => json!(["seal", hub.slug, name]),
        Step::Role(step) => {
            let gives = |row: &Option<RoleRow>| row.as_ref().map(|row| json!([row.role, row.owner]));
            json!(["role", step.row().map(|row| row.group.to_string()), gives(&step.before), gives(&step.after)])
        }
    }
}

fn shape(hub: &Hub) -> Value {
    json!([
        hub.app,
        hub.label,
        hub.login,
        hub.mode,
        hub.paused,
        hub.settle.as_millis().to_string(),
        hub.connection,
        hub.policy,
        hub.owner,
    ])
}

fn rule(mapping: &Mapping) -> Value {
    let binding = match mapping.binding {
        Binding::Waiting => String::from("waiting"),
        Binding::Gone => String::from("gone"),
        Binding::Group(id) => id.to_string(),
        Binding::User(id) => id.to_string(),
    };
    json!([
        subject_text(&mapping.subject),
        mapping.source.map(|source| source.0),
        binding,
        mapping.scope,
        mapping.hub_role,
        mapping.app_role,
        mapping.seat,
        mapping.assets,
        mapping.owner,
    ])
}

fn effect(effect: &HubEffect) -> Value {
    let people: Vec<Value> = effect
        .people
        .iter()
        .map(|one| {
            json!([one.user, one.change, one.from, one.to, one.because, one.outranked, one.leaver, one.begins, one.why])
        })
        .collect();
    json!([effect.hub, effect.observe, effect.stays, effect.cut, people])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_64_hex_digits_and_nothing_else() {
        let digest = digest(&Diff::default(), &of_effects(&[]));
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert_eq!(digest.to_string().to_uppercase().parse::<Digest>().unwrap(), digest);
        let short = "0".repeat(63);
        let strange = format!("{short}g");
        let wide = format!("{}é", "0".repeat(62));
        for bad in ["", "abc", &short, &strange, &wide, &"0".repeat(65)] {
            assert!(matches!(bad.parse::<Digest>(), Err(ServiceError::Invalid(_))), "{bad}");
        }
    }
}
