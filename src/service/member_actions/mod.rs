//! What a person does with one account of a hub: match, claim, exempt, adopt, remove, change its
//! role (business-hubs.md sections 4.1, 5.2). One transaction each: rows, marks and record move together.
//! None of them touches the user of the workspace (R4.10).

mod binding;
mod invitation;
mod keeping;
mod protecting;
mod removing;

use serde::{Deserialize, Serialize};

pub use self::protecting::{ProtectBody, UnprotectBody};
use super::leavers;
use super::members::{self, MemberView};
use super::rights::check_step;
use super::scribe::{About, Scribe};
use super::whatif::steps::{Step, carry_out};
use super::{Caller, Context, ServiceError, hubs, tasks as task_views};
use crate::base::ids::{MemberId, TaskId, UserId, WorkspaceId};
use crate::base::random::Ids;
use crate::domain::app::App;
use crate::domain::catalog::Catalog;
use crate::domain::decide::Facts;
use crate::domain::entitlement::{Entitlement, Rule, entitlement};
use crate::domain::hub::{Hub, HubMode};
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use crate::domain::member::{Bucket, Member, Presence};
use crate::domain::plan::may_be_replaced;
use crate::domain::task::Task;
use crate::scim::fold;
use crate::store::rules_lock::rules_change;
use crate::store::{Keyring, StoreError, Tx, facts, hub_members, reading, task_moves, tasks};

/// What is to be done with an account.
#[derive(Clone, Debug)]
pub enum Deed {
    /// It is this person's (R4.2, R4.3).
    Match(MatchBody),
    /// It is the owner's own (R4.9).
    Claim(ClaimBody),
    /// It stays in the app and nothing of ours ever touches it (R4.5).
    Exempt(ExemptBody),
    /// It is one of ours again.
    Unexempt,
    /// A found account is managed from now on.
    Adopt,
    /// Take it out of the hub, or out of the hub and the app (R4.4, R5.11).
    Remove(RemoveBody),
    /// Another role for an individual share (R5.8).
    Role(RoleBody),
    /// Send the invitation again (R6.6).
    Resend,
    /// Automation changes it only with a person (T-08).
    Protect(ProtectBody),
    /// It is one of the others again.
    Unprotect(UnprotectBody),
}

/// Whose account it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchBody {
    /// The user's SCIM id or userName.
    pub user: String,
    /// What they may do with the hub: `owner`, `manager` or `collaborator`.
    pub hub_role: String,
}

impl MatchBody {
    fn hub_role(&self) -> Result<HubRole, ServiceError> {
        crate::store::mappings::hub_role(&self.hub_role)
            .ok_or_else(|| ServiceError::Invalid(String::from("hub_role: one of owner, manager, collaborator")))
    }
}

/// Who claims it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimBody {
    /// The user's SCIM id or userName.
    pub user: Option<String>,
}

/// Why it is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExemptBody {
    /// For whoever reads the list next year; not blank.
    #[serde(default)]
    pub reason: String,
}

/// How far a removal goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalMode {
    /// Seat and permissions in the app too.
    #[default]
    HubAndApp,
    /// The account in the app stays as it is.
    HubOnly,
}

impl RemovalMode {
    /// By its word; `None` for any other.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "hub_and_app" => Some(Self::HubAndApp),
            "hub_only" => Some(Self::HubOnly),
            _ => None,
        }
    }

    /// As a request gives it; hub and app where it does not.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with the words there are.
    pub fn read(word: Option<&str>) -> Result<Self, ServiceError> {
        word.map_or(Ok(Self::default()), |word| {
            Self::from_word(word)
                .ok_or_else(|| ServiceError::Invalid(String::from("mode: one of hub_and_app, hub_only")))
        })
    }
}

/// A removal.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveBody {
    /// `hub_and_app` (default) or `hub_only`.
    pub mode: Option<String>,
    /// Why, for the record; demanded where it lets somebody who left stay in the app.
    pub note: Option<String>,
}

/// Another role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    /// The app's role id.
    pub app_role: String,
}

/// The account afterwards, and the task that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// The account.
    #[serde(flatten)]
    pub member: MemberView,
    /// The task, where one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

/// Do it.
///
/// # Errors
/// [`ServiceError::NotFound`] for the hub, the account or the user; [`ServiceError::Invalid`] naming
/// the field; [`ServiceError::Conflict`] where the account's state does not allow it.
pub async fn act(
    context: &Context,
    caller: &Caller,
    slug: &str,
    member: &str,
    deed: Deed,
) -> Result<Done, ServiceError> {
    let id: MemberId = member.parse().map_err(|_| ServiceError::NotFound("member"))?;
    let (scribe, slug) = (Scribe::new(context, caller), slug.to_owned());
    let (catalog, keyring, ids) = (context.catalog.clone(), context.keyring.clone(), context.ids.clone());
    let done = context
        .store
        .write(move |tx| {
            rules_change(tx, scribe.workspace)?;
            let hub = hubs::find_locked(tx, scribe.workspace, &slug)?;
            let app = rules::app(&catalog, &hub.app).map_err(ServiceError::Invalid)?;
            let member = load(tx, scribe.workspace, &hub, id)?;
            let mut desk =
                Desk { tx, scribe: &scribe, catalog: &catalog, keyring: &keyring, ids: &ids, hub: &hub, app, member };
            let task = match &deed {
                Deed::Match(body) => desk.bind(&body.user, body.hub_role()?, "member.matched").map(|()| None),
                Deed::Claim(body) => {
                    let own = scribe.caller.person.map(|person| person.to_string());
                    let Some(user) = body.user.as_ref().or(own.as_ref()) else {
                        return Err(ServiceError::Invalid(String::from(
                            "user: say who claims this account; this credential is no person's",
                        )));
                    };
                    desk.bind(user, HubRole::Owner, "member.claimed").map(|()| None)
                }
                Deed::Exempt(body) => desk.exempt(&body.reason).map(|()| None),
                Deed::Unexempt => desk.unexempt().map(|()| None),
                Deed::Adopt => desk.adopt().map(|()| None),
                Deed::Remove(body) => desk.remove(RemovalMode::read(body.mode.as_deref())?, body.note.clone()),
                Deed::Role(body) => desk.role(&body.app_role).map(|()| None),
                Deed::Resend => desk.resend().map(|()| None),
                Deed::Protect(body) => desk.protect(body).map(|()| None),
                Deed::Unprotect(body) => desk.unprotect(body).map(|()| None),
            }?;
            let after = hub_members::load(tx, scribe.workspace, id)?;
            let place = leavers::Place { workspace: scribe.workspace, hub: &hub, app: Some(app), now: scribe.now };
            let member = members::whole(tx, &place, after)?;
            Ok::<_, ServiceError>(Done { member, task: task.map(|task| task.to_string()) })
        })
        .await?;
    context.nudge.planner();
    context.nudge.workers();
    Ok(done)
}

fn load(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: &Hub, id: MemberId) -> Result<Member, ServiceError> {
    match hub_members::load(tx, workspace, id) {
        Ok(member) if member.hub == hub.id => Ok(member),
        Ok(_) | Err(StoreError::NotFound) => Err(ServiceError::NotFound("member")),
        Err(other) => Err(other.into()),
    }
}

/// One account on the table, with everything an action needs.
struct Desk<'a, 'tx> {
    tx: &'a mut Tx<'tx>,
    scribe: &'a Scribe,
    catalog: &'a Catalog,
    keyring: &'a Keyring,
    ids: &'a Ids,
    hub: &'a Hub,
    app: &'a App,
    member: Member,
}

impl Desk<'_, '_> {
    /// The subject of the account's tasks.
    fn subject(&self) -> Option<String> {
        match (self.member.user, &self.member.remote_id) {
            (Some(user), _) => Some(facts::subject(user)),
            (None, Some(remote)) => Some(format!("remote:{remote}")),
            (None, None) => None,
        }
    }

    /// A user of the workspace by id or userName.
    fn user(&mut self, text: &str) -> Result<(UserId, String), ServiceError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ServiceError::Invalid(String::from("user: the id or userName of a user of this workspace")));
        }
        let id = match text.parse::<UserId>() {
            Ok(id) => Some(id),
            Err(_) => reading::user_by_name(self.tx, self.scribe.workspace, &fold::user_name(text))?,
        };
        let Some(id) = id else { return Err(ServiceError::NotFound("user")) };
        let name = reading::user_name(self.tx, self.scribe.workspace, id)?.ok_or(ServiceError::NotFound("user"))?;
        Ok((id, name))
    }

    /// Withdraw the account's open task, if it has one: refused while something of it may be at the app.
    fn withdraw(&mut self, subject: &str, by: Option<TaskId>) -> Result<Option<Task>, ServiceError> {
        let Some(open) = tasks::open_for(self.tx, self.scribe.workspace, self.hub.id, subject)? else {
            return Ok(None);
        };
        let gone = may_be_replaced(&open)
            && task_moves::supersede(self.tx, self.scribe.workspace, open.id, by, self.scribe.now)?;
        if gone {
            return Ok(Some(open));
        }
        Err(ServiceError::Conflict(format!(
            "task {} about this account is {} and may be at the app already: wait until it ends",
            open.id,
            open.status.as_str()
        )))
    }

    /// What the hub's mappings give the account's person now, and by which.
    fn entitled(&mut self, user: UserId) -> Result<(Facts, Entitlement, Vec<Mapping>), ServiceError> {
        let rules: Vec<Rule> = facts::rules(self.tx, self.scribe.workspace, self.hub.id)?;
        let mut found = facts::of_people(self.tx, self.scribe.workspace, self.hub.id, self.app, &rules, &[user])?;
        let facts = found.pop().ok_or(ServiceError::NotFound("user"))?;
        let entitled = match &facts.person {
            Some(person) => entitlement(person, &rules, self.app, self.member.known_role.as_deref()),
            None => Entitlement::default(),
        };
        let giving = rules
            .into_iter()
            .map(|rule| rule.mapping)
            .filter(|mapping| entitled.reasons.iter().any(|reason| reason.mapping == mapping.id))
            .collect();
        Ok((facts, entitled, giving))
    }

    /// Access through a group is the group's (R5.8).
    fn not_through_a_group(&self, entitled: &Entitlement, giving: &[Mapping], what: &str) -> Result<(), ServiceError> {
        let through = giving.iter().find(|mapping| match mapping.binding {
            Binding::Group(_) => true,
            Binding::User(_) | Binding::Waiting | Binding::Gone => false,
        });
        let Some(through) = through else { return Ok(()) };
        let subject = entitled.reasons.iter().find(|reason| reason.mapping == through.id).map(|r| r.subject.as_str());
        Err(ServiceError::Conflict(format!(
            "this access comes through {} and cannot be {what} for one person: change the group, or its mapping",
            subject.unwrap_or("a group"),
        )))
    }

    /// The person's individual shares in this hub, also those that do not count at the moment.
    fn shares(&mut self, user: UserId) -> Result<Vec<Mapping>, ServiceError> {
        let all = crate::store::mappings::of_hub(self.tx, self.scribe.workspace, self.hub.id)?;
        Ok(all.into_iter().filter(|mapping| mapping.binding == Binding::User(user)).collect())
    }

    fn carry(&mut self, step: &Step) -> Result<(), ServiceError> {
        check_step(self.tx, self.scribe, self.catalog, step)?;
        carry_out(self.tx, self.scribe, self.catalog, self.keyring, step)
    }

    /// An individual share of this person, as it would be made by hand.
    fn share(&self, user: UserId, user_name: &str, hub_role: HubRole, app_role: &str, seat: bool) -> Mapping {
        Mapping {
            id: crate::base::ids::MappingId::from_uuid(self.ids.next()),
            hub: self.hub.id,
            subject: SubjectName::User(user_name.to_owned()),
            source: None,
            binding: Binding::User(user),
            scope: None,
            hub_role,
            app_role: app_role.to_owned(),
            seat,
            // A share for an account that is there takes nothing away from it.
            assets: if seat { self.member.known_assets.clone() } else { Vec::new() },
            owner: None,
            file_ref: None,
            confirmed_at: self.scribe.now,
        }
    }

    fn keep(&mut self, member: &Member) -> Result<(), ServiceError> {
        hub_members::set_plan(self.tx, self.scribe.workspace, member, self.scribe.now)?;
        self.member = member.clone();
        Ok(())
    }

    fn tell(
        &mut self,
        kind: &str,
        detail: serde_json::Value,
        personal: Option<serde_json::Value>,
        task: Option<TaskId>,
    ) -> Result<(), ServiceError> {
        let target = format!("member:{}", self.member.id);
        let about = About { target: &target, hub: Some(self.hub.id), user: self.member.user, task, detail, personal };
        Ok(self.scribe.record(self.tx, kind, about)?)
    }

    /// Nothing is written to an app before its hub was activated (DESIGN.md section 2.10).
    fn pushes(&self) -> Result<(), ServiceError> {
        match self.hub.mode {
            HubMode::Active => Ok(()),
            HubMode::Observe => Err(ServiceError::Conflict(String::from(
                "this hub observes: nothing is changed in the app before a person activates it",
            ))),
        }
    }

    fn there(&self) -> Result<(), ServiceError> {
        match self.member.known {
            Presence::Absent => {
                Err(ServiceError::Conflict(String::from("there is no such account in the app as far as is known")))
            }
            Presence::Pending | Presence::Active | Presence::Suspended => Ok(()),
        }
    }

    fn not_exempted(&self) -> Result<(), ServiceError> {
        match self.member.bucket {
            Bucket::Exempted => Err(ServiceError::Conflict(String::from(
                "this account is exempted: nothing touches it; un-exempt it first",
            ))),
            Bucket::Onboarded | Bucket::Unmatched | Bucket::Guest => Ok(()),
        }
    }

    fn reason(text: &str) -> Result<String, ServiceError> {
        match task_views::note(Some(text.to_owned())) {
            Ok(Some(reason)) => Ok(reason),
            Ok(None) => Err(ServiceError::Invalid(String::from("reason: say why this account is kept; it is shown"))),
            Err(ServiceError::Invalid(why)) => Err(ServiceError::Invalid(format!("reason: {why}"))),
            Err(other) => Err(other),
        }
    }
}
