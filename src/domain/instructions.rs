//! The steps a person takes in the app, from the manifest's text for the kind of task.

use crate::domain::app::{App, Invite};
use crate::domain::assets;
use crate::domain::mapping::AssetGrant;
use crate::domain::permissions;
use crate::domain::task::{Effect, TaskKind};

/// Instructions for doing this by hand. The values come from an IdP and are put in as plain text.
pub fn write(app: &App, hub_label: &str, effect: &Effect) -> String {
    let principal = &effect.principal;
    let role = effect.role.as_deref().unwrap_or_default();
    let label = permissions::each(app, role)
        .into_iter()
        .map(|role| app.role(role).map_or(role, |role| role.label.as_str()))
        .collect::<Vec<_>>()
        .join(", ");
    let name = principal.display_name.clone().unwrap_or_else(|| {
        let names = [&principal.given_name, &principal.family_name].map(|name| name.as_deref().unwrap_or_default());
        let both = names.join(" ").trim().to_owned();
        if both.is_empty() { principal.user_name.clone() } else { both }
    });
    let mut text = app.instructions.get(effect.kind.as_str()).map_or(default(effect.kind), String::as_str).to_owned();
    if effect.kind == TaskKind::Add && app.invite == Invite::Link {
        text.push_str(" {hub} gives a link and sends no mail: pass it on to {email}.");
    }
    let asked: Vec<(&str, &str)> = app
        .create_fields
        .iter()
        .filter_map(|field| Some((field.label.as_str(), effect.extra.get(&field.name)?.as_str())))
        .collect();
    // One pass, so that a value that looks like a placeholder stays text.
    let mut written = String::with_capacity(text.len() + 64);
    let mut rest = text.as_str();
    while let Some((before, tail)) = rest.split_once('{') {
        written.push_str(before);
        let Some((word, after)) = tail.split_once('}') else {
            written.push('{');
            rest = tail;
            continue;
        };
        match word {
            "email" => written.push_str(&principal.email),
            "name" => written.push_str(&name),
            "role" => written.push_str(&label),
            "hub" => written.push_str(hub_label),
            other => {
                written.push('{');
                written.push_str(other);
                written.push('}');
            }
        }
        rest = after;
    }
    written.push_str(rest);
    written.push_str(&assets_by_hand(effect));
    // Behind the text and not through it: a value that looks like a placeholder stays text.
    for (place, (label, value)) in asked.into_iter().enumerate() {
        let joint = if place == 0 { " The app asks for " } else { ", " };
        written.push_str(&format!("{joint}{label}: {value}"));
    }
    written
}

/// Which assets a person gives and takes away beside the role.
fn assets_by_hand(effect: &Effect) -> String {
    let held = effect.before.as_ref().map(|before| before.assets.as_slice()).unwrap_or_default();
    let told = |what: &str, grants: &[AssetGrant]| match grants {
        [] => String::new(),
        grants => format!(" {what}: {}.", assets::words(grants)),
    };
    match effect.kind {
        TaskKind::Sync => String::new(),
        TaskKind::Remove => told("Assets that go with it, also where the app keeps them", held),
        TaskKind::Add | TaskKind::UpdateRole => {
            let diff = assets::diff(held, &effect.assets);
            told("Assets to take away", &diff.take) + &told("Assets to give", &diff.give)
        }
    }
}

const fn default(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Sync => "In {hub}, compare the members with the list here. Then mark this item as done.",
        TaskKind::Add => "In {hub}, add {email} ({name}) with the role {role}. Then mark this item as done.",
        TaskKind::UpdateRole => "In {hub}, give {email} ({name}) the role {role}. Then mark this item as done.",
        TaskKind::Remove => "In {hub}, remove {email} ({name}). Then mark this item as done.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::Principal;

    #[test]
    fn values_are_put_in_once_and_stay_text() {
        let app: App = toml::from_str(
            "id='x'\nname='X'\nconnector='manual'\nlogins=['sso']\nsettle_seconds=1\n\
             [tasks]\nsync=false\nadd=false\nupdate_role=false\nremove=false\n\
             [instructions]\nadd='{hub}: {name} <{email}> {other} {role'\n",
        )
        .unwrap();
        let effect = Effect {
            role: Some("r".into()),
            ..Effect::new(
                TaskKind::Add,
                Principal {
                    user_name: "ann".into(),
                    email: "{hub}@x".into(),
                    display_name: Some("Ann".into()),
                    ..Principal::default()
                },
            )
        };
        assert_eq!(write(&app, "Ads", &effect), "Ads: Ann <{hub}@x> {other} {role");
    }
}
