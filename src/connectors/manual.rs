//! Apps that nobody automates: every change becomes an item for a person, with instructions.

use async_trait::async_trait;

use crate::domain::app::App;
use crate::domain::task::{Effect, TaskKind};
use crate::engine::connector::{
    AttemptContext, Capabilities, Checked, Connector, Failure, FailureClass, Outcome, Page, Seen,
};

/// A person does it.
#[derive(Debug)]
pub(super) struct Manual {
    app: App,
    hub: String,
}

impl Manual {
    /// For a hub of this app and label.
    pub(super) fn new(app: App, hub: String) -> Self {
        Self { app, hub }
    }
}

#[async_trait]
impl Connector for Manual {
    fn kind(&self) -> &'static str {
        "manual"
    }

    fn describe(&self) -> Capabilities {
        Capabilities {
            list: false,
            invites: false,
            role_change_while_pending: false,
            suspend: false,
            write_concurrency: 1,
        }
    }

    async fn check(&self, _context: &AttemptContext) -> Result<Checked, Failure> {
        Ok(Checked {
            account: None,
            seats: None,
            warnings: vec![String::from("This app is not automated: every change is an item for a person.")],
        })
    }

    async fn list(&self, _cursor: Option<String>, _context: &AttemptContext) -> Result<Page, Failure> {
        Err(Failure::new(FailureClass::NotSupported, "the members of this app cannot be read automatically"))
    }

    async fn apply(&self, effect: &Effect, _context: &AttemptContext) -> Result<Outcome, Failure> {
        Err(Failure::new(FailureClass::NeedsHuman, instructions(&self.app, &self.hub, effect)))
    }

    async fn verify(&self, _intent: &Effect, _context: &AttemptContext) -> Result<Seen, Failure> {
        Ok(Seen::Unknown)
    }
}

/// What a person does by hand: the app's text with the person's data in it, else a plain sentence.
pub(super) fn instructions(app: &App, hub: &str, effect: &Effect) -> String {
    let person = &effect.principal;
    let name = person.display_name.clone().unwrap_or_else(|| match (&person.given_name, &person.family_name) {
        (Some(given), Some(family)) => format!("{given} {family}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => person.user_name.clone(),
    });
    let role = effect.role.as_deref().unwrap_or("-");
    let label = app.role(role).map_or(role, |role| role.label.as_str());
    let (key, fallback) = match effect.kind {
        TaskKind::Add => ("add", "Add {email} ({name}) to {hub} with the role {role}."),
        TaskKind::UpdateRole => ("update_role", "Give {email} ({name}) the role {role} in {hub}."),
        TaskKind::Remove => ("remove", "Remove {email} ({name}) from {hub}."),
        TaskKind::Sync => ("sync", "Compare the members of {hub} with the list here."),
    };
    let text = app.instructions.get(key).map_or(fallback, String::as_str);
    fill(text, &[("email", &person.email), ("name", &name), ("role", label), ("hub", hub)])
}

/// Put values into `{placeholders}` in one pass, so that a value cannot hold a placeholder.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let known = values.iter().find_map(|(name, value)| {
            after.strip_prefix(name).and_then(|tail| tail.strip_prefix('}')).map(|tail| (*value, tail))
        });
        match known {
            Some((value, tail)) => {
                filled.push_str(value);
                rest = tail;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once() {
        let values = [("email", "a@x.org"), ("name", "{email} {"), ("role", "Admin"), ("hub", "Ads")];
        assert_eq!(fill("{hub}: {email} ({name}) {role} {other}", &values), "Ads: a@x.org ({email} {) Admin {other}");
    }
}
