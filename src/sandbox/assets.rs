//! Assets of the practice app, where it has some: ad accounts and pages that a seat has in full or for named
//! tasks, in a list of an extension. Strict: what it does not know it refuses.

use std::collections::BTreeMap;

use serde_json::Value;

use super::seats::Object;

/// Under which the app keeps and shows them; the list is its attribute `assets`.
pub(super) const EXTENSION: &str = "urn:scimhub:params:scim:schemas:practice:2.0:Assets";

/// The kinds of assets there are, each with the tasks that can be named.
pub type AssetKinds = BTreeMap<String, Vec<String>>;

/// What `scimhub sandbox --assets` has, as `apps/sandbox-assets.toml` says it.
pub fn practice_kinds() -> AssetKinds {
    let kinds: [(&str, &[&str]); 2] =
        [("ad_account", &["ADVERTISE", "ANALYZE", "MANAGE"]), ("page", &["ANALYZE", "CREATE_CONTENT", "MODERATE"])];
    kinds.map(|(kind, tasks)| (kind.to_owned(), tasks.iter().map(|task| (*task).to_owned()).collect())).into()
}

/// The elements of a document's list.
pub(super) fn of(document: &Object) -> impl Iterator<Item = &Value> {
    let list = document.get(EXTENSION).and_then(|extension| extension.get("assets")).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// Check a document's assets: each `{"type", "value"}` with `"full": true` or some `tasks`, and none twice.
pub(super) fn check(document: &Object, kinds: &AssetKinds) -> Result<(), String> {
    let Some(extension) = document.get(EXTENSION) else { return Ok(()) };
    let fits = extension
        .as_object()
        .is_some_and(|parts| parts.iter().all(|(name, value)| name == "assets" && value.is_array()));
    if !fits {
        return Err(format!("{EXTENSION} has one attribute, the list assets"));
    }
    let mut seen = Vec::new();
    for element in of(document) {
        let word = |name: &str| element.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let (Some(kind), Some(id)) = (word("type"), word("value")) else {
            return Err(String::from("an asset has a type and a value"));
        };
        let Some(known) = kinds.get(kind) else { return Err(format!("there are no assets of type {kind}")) };
        let full = element.get("full").and_then(Value::as_bool).unwrap_or(false);
        let tasks: Vec<&Value> = element.get("tasks").and_then(Value::as_array).into_iter().flatten().collect();
        if full != tasks.is_empty() {
            return Err(format!("{kind} {id}: an asset is given in full, or for some tasks"));
        }
        if let Some(unknown) = tasks.iter().find(|task| !known.iter().any(|one| task.as_str() == Some(one))) {
            return Err(format!("{kind} {id}: there is no task {unknown}"));
        }
        if seen.contains(&(kind, id)) {
            return Err(format!("{kind} {id} is there twice"));
        }
        seen.push((kind, id));
    }
    Ok(())
}

/// As the page says it.
pub(super) fn words(document: &Object) -> String {
    let word = |element: &Value| {
        let text = |name: &str| element.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let tasks = element.get("tasks").and_then(Value::as_array).into_iter().flatten();
        let tasks: Vec<&str> = tasks.filter_map(Value::as_str).collect();
        let what = if tasks.is_empty() { String::from("everything") } else { tasks.join(", ") };
        format!("{} {} ({what})", text("type"), text("value"))
    };
    of(document).map(word).collect::<Vec<_>>().join(", ")
}
