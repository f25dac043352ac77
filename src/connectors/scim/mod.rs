//! Any app with SCIM 2.0 (connected-apps.md section 6): strict in what it sends, lenient in what
//! it reads, and every answer checked. Looks before it creates, and learns what an app refuses.

mod assets;
mod change;
mod discovery;
mod find;
mod groups;
mod invitation;
mod paging;
mod person;
mod roles;
mod settings;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use self::find::Found;
use self::paging::Cursor;
use self::wire::Wire;
use crate::domain::member::Presence;
use crate::domain::task::{Effect, TaskKind};
use crate::engine::connector::{
    AttemptContext, Capabilities, Checked, Connector, Failure, FailureClass, Outcome, Page, RemoteMember, Seen,
};
use crate::net::Client;

pub use self::assets::AssetCarrier;
pub use self::discovery::Learned;
pub use self::settings::{Invitation, RoleCarrier, SETTINGS, Settings};

/// A JSON object.
type Object = Map<String, Value>;

/// One hub's SCIM app.
#[derive(Debug)]
pub struct Scim {
    settings: Settings,
    client: Client,
    learned: Arc<Learned>,
}

/// One attempt at one app: everything the steps need, so that they are plain functions of it.
struct Session<'a> {
    settings: &'a Settings,
    learned: &'a Learned,
    wire: Wire<'a>,
}

impl Scim {
    /// A connector with what earlier attempts learned.
    pub fn new(settings: Settings, client: Client, learned: Arc<Learned>) -> Self {
        Self { settings, client, learned }
    }

    fn session<'a>(&'a self, context: &'a AttemptContext) -> Session<'a> {
        Session {
            settings: &self.settings,
            learned: &self.learned,
            wire: Wire::new(&self.client, &self.settings, context),
        }
    }
}

#[async_trait]
impl Connector for Scim {
    fn kind(&self) -> &'static str {
        "scim"
    }

    fn describe(&self) -> Capabilities {
        Capabilities {
            list: true,
            invites: self.settings.invitation.state.is_some(),
            role_change_while_pending: self.settings.invitation.state.is_none(),
            suspend: true,
            // Parallel PATCHes of one group collide in apps with optimistic locking.
            write_concurrency: if self.settings.role == RoleCarrier::Groups { 1 } else { 4 },
        }
    }

    async fn check(&self, context: &AttemptContext) -> Result<Checked, Failure> {
        let session = self.session(context);
        let features = session.features().await?;
        session.page("Users", Cursor::Index(1), 1).await?;
        let mut warnings = Vec::new();
        if !features.announced {
            warnings.push(String::from("The app does not say what it supports; it will be found out."));
        }
        if !features.patch {
            warnings.push(String::from("The app does not offer PATCH: whole accounts are read, changed and written."));
        }
        if !features.filter {
            warnings.push(String::from("The app cannot be searched: all its accounts are read to find one."));
        }
        Ok(Checked { account: None, seats: None, warnings })
    }

    async fn list(&self, cursor: Option<String>, context: &AttemptContext) -> Result<Page, Failure> {
        let session = self.session(context);
        let cursor = match cursor {
            Some(text) => Cursor::read(&text)
                .ok_or_else(|| Failure::new(FailureClass::Invalid, "the list cannot go on from this place"))?,
            None => session.first_page().await?,
        };
        let page = session.page("Users", cursor, paging::COUNT).await?;
        let mut members = Vec::with_capacity(page.resources.len());
        for resource in &page.resources {
            members.push(session.member(resource).await?);
        }
        Ok(Page { members, next: page.next.map(|next| next.to_string()), total: page.total })
    }

    async fn apply(&self, effect: &Effect, context: &AttemptContext) -> Result<Outcome, Failure> {
        let session = self.session(context);
        match effect.kind {
            TaskKind::Sync => Err(Failure::new(FailureClass::NotSupported, "a sync reads the list of members")),
            TaskKind::Add => session.add(effect).await,
            TaskKind::UpdateRole => session.update_role(effect).await,
            TaskKind::Remove if effect.suspend => session.suspend(effect).await,
            TaskKind::Remove => session.remove(effect).await,
        }
    }

    async fn verify(&self, intent: &Effect, context: &AttemptContext) -> Result<Seen, Failure> {
        let session = self.session(context);
        // What an earlier look remembered may be older than what is in question.
        self.learned.forget_people();
        let seen = match session.locate(intent).await? {
            Found::One(resource) => Some(session.member(&resource).await?),
            Found::Nobody => None,
        };
        let holds = match intent.kind {
            TaskKind::Sync => return Ok(Seen::Unknown),
            TaskKind::Add => seen.as_ref().is_some_and(|m| {
                is_active(m) && session.is_as_wanted(m, intent) && !session.must_be_sent_again(m, intent)
            }),
            TaskKind::UpdateRole => seen.as_ref().is_some_and(|m| session.is_as_wanted(m, intent)),
            TaskKind::Remove => {
                seen.as_ref().is_none_or(|m| !is_active(m) && (intent.suspend || session.settings.removal_deactivates))
            }
        };
        Ok(if holds { Seen::Holds(seen) } else { Seen::DoesNotHold(seen) })
    }
}

fn is_active(member: &RemoteMember) -> bool {
    match member.presence {
        Presence::Active | Presence::Pending => true,
        Presence::Suspended | Presence::Absent => false,
    }
}
