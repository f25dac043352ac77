//! What a manifest must hold beyond its shape: every key must be able to have its effect, so that a
//! mistake shows when the server starts and not when somebody is let in or out.

use std::collections::BTreeSet;

use crate::domain::app::{ASSETS_ATTRIBUTE, App, Field, FieldFormat, Role};
use crate::domain::create_fields::{self, CreateField};
use crate::domain::hub_rules::login_word;
use crate::domain::permissions::JOINT;

/// Check one manifest.
///
/// # Errors
/// The first contradiction, with the key it stands under.
pub(super) fn check(app: &App) -> Result<(), String> {
    let plain =
        |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain(&app.id) {
        return Err(format!("id: '{}' must be a-z, 0-9 and '-'", app.id));
    }
    if app.logins.is_empty() {
        return Err(String::from("logins must name at least one of \"sso\", \"password\""));
    }
    once("logins", app.logins.iter().map(|login| login_word(*login)))?;
    once("assets", app.assets.iter().map(String::as_str))?;
    once("roles", app.roles.iter().map(|role| role.id.as_str()))?;
    once("fields", app.fields.iter().map(|field| field.name.as_str()))?;
    let kinds = ["add", "update_role", "remove"];
    if let Some(unknown) = app.instructions.keys().find(|kind| !kinds.contains(&kind.as_str())) {
        return Err(format!("instructions for '{unknown}': only add, update_role and remove have instructions"));
    }
    once("create_fields", app.create_fields.iter().map(|field| field.name.as_str()))?;
    app.create_fields.iter().try_for_each(|field| create_field(app, field))?;
    app.fields.iter().try_for_each(field)?;
    assets(app)?;
    app.roles.iter().try_for_each(|one| role(app, one))?;
    if app.roles.iter().filter(|role| role.default_on_add).count() > 1 {
        return Err(String::from("roles: only one can be default_on_add"));
    }
    for (login, with) in &app.tasks_with {
        let word = login_word(*login);
        if !app.logins.contains(login) {
            return Err(format!("tasks_with.{word}: the app has no such login method"));
        }
        if !with.takes_away() {
            return Err(format!("tasks_with.{word} can only take away: write false for what is not possible with it"));
        }
    }
    waiting(app)
}

/// Assets are given by a person, or by a connector that is told where accounts have them.
fn assets(app: &App) -> Result<(), String> {
    let carried = app.settings.contains_key(ASSETS_ATTRIBUTE);
    match (app.connector == "manual", app.assets.is_empty()) {
        (false, false) if !carried => {
            return Err(format!(
                "assets: say in settings.{ASSETS_ATTRIBUTE} which attribute of an account carries them; leave them \
                 out, or connector = \"manual\""
            ));
        }
        (true, _) if carried => return Err(format!("settings.{ASSETS_ATTRIBUTE}: nobody drives this app")),
        (_, true) if carried => return Err(format!("settings.{ASSETS_ATTRIBUTE}: the app has no assets")),
        (true | false, true | false) => {}
    }
    for (kind, tasks) in &app.asset_tasks {
        if !app.assets.contains(kind) {
            return Err(format!("asset_tasks.{kind}: the app has no assets of this kind"));
        }
        if tasks.is_empty() || tasks.iter().any(|task| task.trim().is_empty()) {
            return Err(format!("asset_tasks.{kind}: name the actions, or leave the kind out to accept any"));
        }
        once(&format!("asset_tasks.{kind}"), tasks.iter().map(String::as_str))?;
    }
    Ok(())
}

fn once<'a>(what: &str, words: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for word in words {
        if !seen.insert(word) {
            return Err(format!("{what}: '{word}' is there twice"));
        }
    }
    Ok(())
}

fn field(field: &Field) -> Result<(), String> {
    let name = &field.name;
    let text = field.format == FieldFormat::Text;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        return Err(format!("fields: the name '{name}' must be a-z, 0-9 and '_'"));
    }
    if field.length.is_some() && field.format != FieldFormat::Digits {
        return Err(format!("fields.{name}: length goes with format = \"digits\" only"));
    }
    if field.length == Some(0) {
        return Err(format!("fields.{name}: length must be 1 or more"));
    }
    if !field.values.is_empty() && !text {
        return Err(format!("fields.{name}: values go with format = \"text\" only"));
    }
    once(&format!("fields.{name}.values"), field.values.iter().map(String::as_str))?;
    if field.secret && (!text || !field.values.is_empty() || field.unique) {
        return Err(format!(
            "fields.{name}: the form of a secret is never looked at; leave format, values and unique out"
        ));
    }
    if field.unique && matches!(field.format, FieldFormat::Flag | FieldFormat::Url) {
        return Err(format!("fields.{name}: a flag or an address is not unique"));
    }
    Ok(())
}

fn create_field(app: &App, field: &CreateField) -> Result<(), String> {
    let name = &field.name;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        return Err(format!("create_fields: the name '{name}' must be a-z, 0-9 and '_'"));
    }
    if let Some(attribute) = &field.attribute {
        create_fields::attribute(attribute).map_err(|wrong| format!("create_fields.{name}.attribute: {wrong}"))?;
    }
    once(&format!("create_fields.{name}.values"), field.values.iter().map(String::as_str))?;
    // A connector must have a place for it; a person reads it in the item.
    if app.connector == "manual" && field.target.is_some() {
        return Err(format!("create_fields.{name}.target: nobody drives this app, so nothing takes it"));
    }
    if app.connector != "manual" && field.target.is_none() {
        return Err(format!("create_fields.{name}.target: say which attribute of the account takes it"));
    }
    Ok(())
}

fn role(app: &App, role: &Role) -> Result<(), String> {
    let id = &role.id;
    if !role.incompatible.is_empty() && app.ranked {
        return Err(format!("roles.{id}: incompatible needs ranked = false; of ranked roles only one is held"));
    }
    if let Some(unknown) = role.incompatible.iter().find(|other| *other == id || app.role(other).is_none()) {
        return Err(format!("roles.{id}: incompatible names '{unknown}', which is no other role of this app"));
    }
    if !app.ranked && (id.contains(JOINT) || id.trim() != id || id.is_empty()) {
        return Err(format!("roles.{id}: the id of a permission has no '{JOINT}' and no blanks around it"));
    }
    if role.default_on_add && !app.ranked {
        return Err(format!("roles.{id}: default_on_add needs ranked roles"));
    }
    Ok(())
}

fn waiting(app: &App) -> Result<(), String> {
    let Some(rule) = &app.waiting else { return Ok(()) };
    if !app.fields.iter().any(|field| field.name == rule.field) {
        return Err(format!("waiting.field: the app has no connection field '{}'", rule.field));
    }
    // A year: longer is a mistake, and must not overflow anywhere.
    if !(1..=366 * 24 * 60 * 60).contains(&rule.seconds) {
        return Err(String::from("waiting.seconds must be 1 second to a year"));
    }
    if rule.tasks.is_empty() || rule.tasks.contains(&crate::domain::task::TaskKind::Sync) {
        return Err(String::from("waiting.tasks must name some of add, update_role, remove; a sync never waits"));
    }
    if rule.reason.trim().is_empty() {
        return Err(String::from("waiting.reason must tell people why"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "id='x'\nname='X'\nconnector='scim'\nlogins=['sso']\nsettle_seconds=1\n";
    const CARRIED: &str = "[settings]\nassets_attribute='urn:x:a'\n";
    const TASKS: &str = "[tasks]\nsync=true\nadd=true\nupdate_role=true\nremove=true\n";

    fn told(head: &str, rest: &str) -> String {
        match toml::from_str::<App>(&format!("{HEAD}{head}\n{TASKS}{rest}")) {
            Ok(app) => check(&app).err().unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_its_key() {
        let role = "[[roles]]\nid='a'\nlabel='A'\n";
        let field = "[[fields]]\nname='f'\nlabel='F'\n";
        assert_eq!(told("", role), "");
        for (head, rest, part) in [
            ("", format!("{role}{role}"), "'a' is there twice"),
            ("", format!("{field}{field}"), "'f' is there twice"),
            ("", format!("{field}length=3\n"), "fields.f: length"),
            ("", format!("{field}format='digits'\nvalues=['1']\n"), "fields.f: values"),
            ("", format!("{field}secret=true\nunique=true\n"), "fields.f"),
            ("", format!("{field}format='flag'\nunique=true\n"), "fields.f"),
            ("", format!("{role}incompatible=['b']\n"), "needs ranked = false"),
            ("ranked=false", format!("{role}incompatible=['b']\n"), "names 'b'"),
            ("ranked=false", String::from("[[roles]]\nid='a+b'\nlabel='A'\n"), "no '+'"),
            ("ranked=false", format!("{role}default_on_add=true\n"), "default_on_add"),
            ("", String::from("[tasks_with.password]\nadd=false\n"), "no such login method"),
            ("", String::from("[tasks_with.sso]\nadd=true\n"), "only take away"),
            ("", String::from("[waiting]\nfield='f'\nseconds=1\ntasks=['add']\nreason='r'\n"), "waiting.field"),
            ("", format!("[waiting]\nfield='f'\nseconds=0\ntasks=['add']\nreason='r'\n{field}"), "waiting.seconds"),
            ("", format!("[waiting]\nfield='f'\nseconds=1\ntasks=['sync']\nreason='r'\n{field}"), "waiting.tasks"),
            ("", String::from("[[create_fields]]\nname='f'\nlabel='F'\n"), "create_fields.f.target"),
            ("", String::from("[[create_fields]]\nname='f'\nlabel='F'\ntarget='t'\nattribute='a b'\n"), "f.attribute"),
            // Unknown keys, by the parser, with line and column.
            ("", format!("{role}assignible=true\n"), "assignible"),
            ("assets=['page']", String::new(), "settings.assets_attribute which"),
            ("", CARRIED.to_owned(), "has no assets"),
            ("assets=['page']", format!("[asset_tasks]\nad=['A']\n{CARRIED}"), "asset_tasks.ad"),
            ("assets=['page']", format!("[asset_tasks]\npage=['A','A']\n{CARRIED}"), "'A' is there twice"),
            ("assets=['page']", format!("[asset_tasks]\npage=[]\n{CARRIED}"), "name the actions"),
            ("invite='pigeon'", String::new(), "line 6"),
            ("", String::from("[instructions]\nsync='x'\n"), "instructions for 'sync'"),
        ] {
            let told = told(head, &rest);
            assert!(told.contains(part), "{head} {rest}: {told}");
        }
    }
}
