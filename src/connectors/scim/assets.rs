//! Assets on an account: a list in the attribute that the manifest names, one element for each asset,
//! `{"type": kind, "value": id, "tasks": ["ANALYZE"]}`, or `"full": true` instead of `tasks`. Only kinds
//! of the manifest are ours; what else stands in the list stays.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::person::{at, attribute, is_true};
use super::{Object, Session, Settings};
use crate::base::limits::{ACCOUNT_ASSETS, IDENTIFIER_BYTES};
use crate::domain::assets;
use crate::domain::mapping::AssetGrant;
use crate::domain::task::Effect;
use crate::engine::connector::{Failure, FailureClass, RemoteMember};

/// Where accounts have their assets, and which are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetCarrier {
    /// The attribute, as a rule one of an extension.
    pub path: String,
    /// The kinds, each with its named actions where the manifest lists them.
    pub kinds: BTreeMap<String, Vec<String>>,
}

impl AssetCarrier {
    fn list<'r>(&self, resource: &'r Object) -> impl Iterator<Item = &'r Value> {
        at(resource, &self.path).and_then(Value::as_array).into_iter().flatten()
    }

    /// What an element of ours grants, in the manifest's spelling; `None` where it is not ours or grants
    /// nothing: neither `full` nor a task.
    fn grant(&self, element: &Value) -> Option<AssetGrant> {
        let element = element.as_object()?;
        let word = |name: &str| attribute(element, name).and_then(Value::as_str).map(str::trim);
        let spelled = |known: &String, word: &str| known.eq_ignore_ascii_case(word);
        let (kind, actions) =
            self.kinds.iter().find(|(kind, _)| word("type").is_some_and(|word| spelled(kind, word)))?;
        let id = word("value").filter(|id| !id.is_empty())?;
        let named = attribute(element, "tasks").and_then(Value::as_array).into_iter().flatten();
        let task =
            |task: &str| actions.iter().find(|known| spelled(known, task)).map_or(task, String::as_str).to_owned();
        let tasks: Vec<String> = named.filter_map(Value::as_str).map(str::trim).map(task).collect();
        let full = attribute(element, "full").is_some_and(is_true);
        let tasks = match (full, tasks.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => return None,
            (false, false) => tasks,
        };
        Some(AssetGrant { kind: kind.clone(), id: id.to_owned(), tasks })
    }

    fn is_ours(&self, element: &Value) -> bool {
        let kind = element.as_object().and_then(|element| attribute(element, "type")).and_then(Value::as_str);
        kind.is_some_and(|word| self.kinds.keys().any(|kind| kind.eq_ignore_ascii_case(word.trim())))
    }
}

impl Settings {
    /// The assets of our kinds on an account; `None` where the app's manifest names no attribute. An account
    /// without the attribute has none (RFC 7643 section 2.5).
    pub(super) fn assets_of(&self, resource: &Object) -> Result<Option<Vec<AssetGrant>>, Failure> {
        let Some(carrier) = &self.assets else { return Ok(None) };
        let held: Vec<AssetGrant> = carrier.list(resource).filter_map(|element| carrier.grant(element)).collect();
        let odd = |text: &String| text.len() > IDENTIFIER_BYTES || text.chars().any(char::is_control);
        if held.len() > ACCOUNT_ASSETS || held.iter().any(|one| odd(&one.id) || one.tasks.iter().any(odd)) {
            let why = format!(
                "the app shows an account with more than {ACCOUNT_ASSETS} assets, or with an asset whose id or task \
                 is longer than {IDENTIFIER_BYTES} bytes or holds control characters"
            );
            return Err(Failure::new(FailureClass::Invalid, why));
        }
        Ok(Some(assets::united(&held)))
    }

    /// The attribute and value that give `wanted` and take away what else is held of our kinds; `None` where it
    /// is so already. What an element has besides stays with it.
    pub(super) fn assets_edit(&self, resource: &Object, wanted: &[AssetGrant]) -> Option<(String, Value)> {
        let carrier = self.assets.as_ref()?;
        let held: Vec<AssetGrant> = carrier.list(resource).filter_map(|element| carrier.grant(element)).collect();
        if assets::diff(&assets::united(&held), wanted).is_empty() {
            return None;
        }
        let mut list: Vec<Value> =
            carrier.list(resource).filter(|element| !carrier.is_ours(element)).cloned().collect();
        for grant in wanted {
            let is_it = |element: &&Value| {
                carrier.grant(element).is_some_and(|held| (&held.kind, &held.id) == (&grant.kind, &grant.id))
            };
            let before = carrier.list(resource).find(is_it).and_then(Value::as_object).cloned();
            list.push(Value::Object(element(before.unwrap_or_default(), grant)));
        }
        for element in list.iter_mut().filter_map(Value::as_object_mut) {
            element.retain(|_, value| !value.is_null());
        }
        Some((carrier.path.clone(), Value::Array(list)))
    }
}

/// An element that grants exactly this.
fn element(mut before: Map<String, Value>, grant: &AssetGrant) -> Object {
    before.retain(|name, _| !["type", "value", "tasks", "full"].iter().any(|ours| name.eq_ignore_ascii_case(ours)));
    before.insert(String::from("type"), json!(grant.kind));
    before.insert(String::from("value"), json!(grant.id));
    if grant.tasks.is_empty() {
        before.insert(String::from("full"), Value::Bool(true));
    } else {
        before.insert(String::from("tasks"), json!(grant.tasks));
    }
    before
}

impl Session<'_> {
    /// Whether the account has exactly the wanted assets; where the app carries none, every account does.
    pub(super) fn has_assets(&self, member: &RemoteMember, effect: &Effect) -> bool {
        member.assets.as_ref().is_none_or(|held| assets::diff(held, &effect.assets).is_empty())
    }

    /// Whether the account has the wanted role and assets.
    pub(super) fn is_as_wanted(&self, member: &RemoteMember, effect: &Effect) -> bool {
        self.has_role(member, effect) && self.has_assets(member, effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::scim::RoleCarrier;
    use crate::connectors::scim::roles::tests::settings;

    const URN: &str = "urn:x:2.0:Assets";

    fn carrying() -> Settings {
        let kinds = [("page", vec![String::from("ANALYZE")]), ("ad", Vec::new())];
        let kinds = kinds.map(|(kind, tasks)| (kind.to_owned(), tasks)).into();
        Settings {
            assets: Some(AssetCarrier { path: format!("{URN}:assets"), kinds }),
            ..settings(RoleCarrier::Roles, None)
        }
    }

    fn account(list: &Value) -> Object {
        json!({ URN: { "assets": list } }).as_object().unwrap().clone()
    }

    fn grant(kind: &str, id: &str, tasks: &[&str]) -> AssetGrant {
        AssetGrant { kind: kind.into(), id: id.into(), tasks: tasks.iter().map(|task| (*task).to_owned()).collect() }
    }

    #[test]
    fn assets_are_read_in_order_and_only_those_that_grant_something() {
        let shown = account(&json!([
            {"type": "Page", "value": "7", "tasks": ["analyze", "other"]},
            {"type": "ad", "value": "2", "full": "True", "tasks": ["x"]},
            {"type": "ad", "value": "1", "tasks": []},
            {"type": "ad", "value": "3", "full": false},
            {"type": "pixel", "value": "9", "full": true}, "odd", {"type": "ad"}
        ]));
        let held = carrying().assets_of(&shown).unwrap().unwrap();
        assert_eq!(held, [grant("ad", "2", &[]), grant("page", "7", &["ANALYZE", "other"])]);
        assert_eq!(carrying().assets_of(&Object::new()).unwrap(), Some(Vec::new()));
        assert_eq!(settings(RoleCarrier::Roles, None).assets_of(&shown).unwrap(), None);
        let long = account(&json!([{"type": "ad", "value": "x".repeat(IDENTIFIER_BYTES + 1), "full": true}]));
        assert_eq!(carrying().assets_of(&long).unwrap_err().class, FailureClass::Invalid);
    }

    #[test]
    fn what_is_not_ours_stays_and_what_is_so_already_is_not_written() {
        let theirs = json!({"type": "pixel", "value": "9", "full": true});
        let shown = account(&json!([
            {"type": "ad", "value": "1", "tasks": ["a"], "display": "One"}, theirs, {"type": "ad", "value": "2", "full": true}
        ]));
        let carrying = carrying();
        let wanted = [grant("ad", "1", &["b"]), grant("page", "7", &[])];
        let (path, list) = carrying.assets_edit(&shown, &wanted).unwrap();
        assert_eq!(path, format!("{URN}:assets"));
        assert_eq!(
            list,
            json!([theirs, {"display": "One", "type": "ad", "value": "1", "tasks": ["b"]}, {"type": "page", "value": "7", "full": true}])
        );
        assert_eq!(carrying.assets_edit(&shown, &[grant("ad", "2", &[]), grant("ad", "1", &["a"])]), None);
        assert_eq!(carrying.assets_edit(&shown, &[]).unwrap().1, json!([theirs]));
        assert_eq!(settings(RoleCarrier::Roles, None).assets_edit(&shown, &wanted), None);
    }
}
