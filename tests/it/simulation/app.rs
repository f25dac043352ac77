//! The app at the other end: unique by e-mail, with stable ids, no idempotency keys, and as
//! unreliable as it is told to be. People also change it behind our back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use scimhub::base::secret::SecretString;
use scimhub::domain::hub::Hub;
use scimhub::domain::member::Presence;
use scimhub::domain::task::{Effect, Task, TaskKind};
use scimhub::engine::connector::{
    AttemptContext, Capabilities, Checked, Connector, Connectors, Failure, FailureClass, Outcome, Page, RemoteMember,
    Seen,
};
use tokio::sync::Notify;

use super::chance::Chance;

/// Accounts on one page of the list: few, so that every sync has several.
const PAGE: usize = 3;

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The app's stable id.
    pub remote_id: String,
    pub email: String,
    pub role: String,
    /// Whose it is as we said, where we made it.
    external_id: Option<String>,
}

#[derive(Default)]
struct Inside {
    accounts: BTreeMap<String, Account>,
    made: usize,
    log: Vec<String>,
}

/// The app.
pub struct App {
    inside: Mutex<Inside>,
    chance: Arc<Chance>,
    storm: AtomicBool,
    /// A call whose process dies right after it waits here for its end.
    pub dying: Notify,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("App")
    }
}

/// What becomes of one call.
enum Fate {
    Good,
    /// Not done.
    Failed(Failure),
    /// Done, and the reply is lost or a lie.
    DoneButFailed(Failure),
    /// The process dies; the change was made or not.
    Dies {
        done: bool,
    },
}

impl App {
    pub fn new(chance: Arc<Chance>) -> Self {
        Self { inside: Mutex::default(), chance, storm: AtomicBool::new(true), dying: Notify::new() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// From now on every call goes well.
    pub fn calm(&self) {
        self.storm.store(false, Ordering::SeqCst);
    }

    pub fn accounts(&self) -> Vec<Account> {
        self.inside().accounts.values().cloned().collect()
    }

    /// What was called, for the report of a failed seed.
    pub fn log(&self) -> Vec<String> {
        self.inside().log.clone()
    }

    /// Somebody makes an account by hand.
    pub fn make(&self, email: &str, role: &str) {
        let mut inside = self.inside();
        if inside.accounts.values().all(|account| account.email != email) {
            inside.create(email, role, None);
        }
    }

    /// Somebody changes a role by hand.
    pub fn change(&self, role: &str) {
        let mut inside = self.inside();
        let ids: Vec<String> = inside.accounts.keys().cloned().collect();
        if let Some(account) = self.chance.one_of(&ids).and_then(|id| inside.accounts.get_mut(id)) {
            role.clone_into(&mut account.role);
        }
    }

    /// Somebody deletes an account by hand.
    pub fn lose(&self) {
        let mut inside = self.inside();
        let ids: Vec<String> = inside.accounts.keys().cloned().collect();
        if let Some(id) = self.chance.one_of(&ids) {
            inside.accounts.remove(id);
        }
    }

    fn fate(&self) -> Fate {
        if !self.storm.load(Ordering::SeqCst) {
            return Fate::Good;
        }
        let transient = || Failure::new(FailureClass::Transient, "502");
        let lost = || Failure::new(FailureClass::Ambiguous, "no answer came");
        match self.chance.below(100) {
            0..5 => Fate::Failed(transient()),
            5..9 => Fate::DoneButFailed(transient()),
            9..13 => Fate::Failed(lost()),
            13..18 => Fate::DoneButFailed(lost()),
            18..22 => Fate::Failed(Failure::new(FailureClass::Unreachable, "refused")),
            22..26 => Fate::Failed(Failure::rate_limited(Some(Duration::from_secs(30)), "slow down")),
            26..30 => Fate::Dies { done: true },
            30..32 => Fate::Dies { done: false },
            _ => Fate::Good,
        }
    }
}

impl Inside {
    fn create(&mut self, email: &str, role: &str, external_id: Option<String>) -> RemoteMember {
        self.made += 1;
        let remote_id = format!("r{}", self.made);
        let account = Account { remote_id: remote_id.clone(), email: email.into(), role: role.into(), external_id };
        let member = shown(&account);
        self.accounts.insert(remote_id, account);
        member
    }

    /// The account an effect is about: by the app's id where it is known, else the one we made
    /// for the person, else by e-mail.
    fn find(&self, effect: &Effect) -> Option<Account> {
        if let Some(id) = &effect.remote_id {
            return self.accounts.get(id).cloned();
        }
        let ours = |account: &&Account| {
            effect.principal.external_id.is_some() && account.external_id == effect.principal.external_id
        };
        let same = |account: &&Account| account.email == effect.principal.email;
        self.accounts.values().find(ours).or_else(|| self.accounts.values().find(same)).cloned()
    }

    fn work(&mut self, effect: &Effect) -> Result<Outcome, Failure> {
        let role = effect.role.clone().unwrap_or_default();
        let found = self.find(effect);
        match (effect.kind, found) {
            (TaskKind::Sync, _) => Ok(Outcome::Applied(None)),
            (TaskKind::Add, Some(account)) if account.role == role => {
                Ok(Outcome::AlreadyInState(Some(shown(&account))))
            }
            (TaskKind::Add, Some(account)) => Ok(Outcome::NeedsRoleChange(shown(&account))),
            (TaskKind::Add, None) => {
                let taken = self.accounts.values().find(|account| account.email == effect.principal.email).cloned();
                match taken {
                    Some(account) if account.role == role => Ok(Outcome::AlreadyInState(Some(shown(&account)))),
                    Some(account) => Ok(Outcome::NeedsRoleChange(shown(&account))),
                    None => {
                        let external_id = effect.principal.external_id.clone();
                        Ok(Outcome::Applied(Some(self.create(&effect.principal.email, &role, external_id))))
                    }
                }
            }
            (TaskKind::UpdateRole, Some(mut account)) => {
                account.role = role;
                let member = shown(&account);
                self.accounts.insert(account.remote_id.clone(), account);
                Ok(Outcome::Applied(Some(member)))
            }
            (TaskKind::Remove, Some(account)) => {
                self.accounts.remove(&account.remote_id);
                Ok(Outcome::Applied(None))
            }
            (TaskKind::UpdateRole | TaskKind::Remove, None) => {
                Err(Failure::new(FailureClass::NotFound, "no such account"))
            }
        }
    }
}

fn shown(account: &Account) -> RemoteMember {
    RemoteMember {
        assets: None,
        remote_id: account.remote_id.clone(),
        user_name: Some(account.email.clone()),
        email: Some(account.email.clone()),
        name: None,
        role: Some(account.role.clone()),
        presence: Presence::Active,
        expires_at: None,
    }
}

#[derive(Debug)]
struct Plug(Arc<App>);

#[async_trait]
impl Connector for Plug {
    fn kind(&self) -> &'static str {
        "simulated"
    }

    fn describe(&self) -> Capabilities {
        Capabilities {
            list: true,
            invites: false,
            role_change_while_pending: true,
            suspend: false,
            write_concurrency: 1,
        }
    }

    async fn check(&self, _context: &AttemptContext) -> Result<Checked, Failure> {
        Ok(Checked::default())
    }

    async fn list(&self, cursor: Option<String>, _context: &AttemptContext) -> Result<Page, Failure> {
        match self.0.fate() {
            Fate::Failed(failure) | Fate::DoneButFailed(failure) => return Err(failure),
            Fate::Dies { .. } => {
                self.0.dying.notify_one();
                std::future::pending::<()>().await;
            }
            Fate::Good => {}
        }
        let inside = self.0.inside();
        let after = cursor.unwrap_or_default();
        let rest: Vec<&Account> = inside.accounts.values().filter(|account| account.remote_id > after).collect();
        let members: Vec<RemoteMember> = rest.iter().take(PAGE).map(|account| shown(account)).collect();
        let next = if rest.len() > PAGE { members.last().map(|last| last.remote_id.clone()) } else { None };
        Ok(Page { members, next, total: Some(inside.accounts.len() as u64) })
    }

    async fn apply(&self, effect: &Effect, context: &AttemptContext) -> Result<Outcome, Failure> {
        let fate = self.0.fate();
        let word = format!("{} {} {:?}", effect.kind.as_str(), effect.principal.email, effect.role);
        let note = |how: &str| self.0.inside().log.push(format!("{word} {how}"));
        match fate {
            Fate::Good => {
                context.before_send()?;
                let result = self.0.inside().work(effect);
                context.after_reply();
                note(&format!("{result:?}"));
                result
            }
            Fate::Failed(failure) => {
                note(&format!("not done: {failure}"));
                context.before_send()?;
                Err(failure)
            }
            Fate::DoneButFailed(failure) => {
                note(&format!("done, but: {failure}"));
                context.before_send()?;
                let _ = self.0.inside().work(effect);
                Err(failure)
            }
            Fate::Dies { done } => {
                note(if done { "done, then the process dies" } else { "the process dies before it" });
                if done {
                    context.before_send()?;
                    let _ = self.0.inside().work(effect);
                }
                self.0.dying.notify_one();
                std::future::pending().await
            }
        }
    }

    async fn verify(&self, intent: &Effect, _context: &AttemptContext) -> Result<Seen, Failure> {
        match self.0.fate() {
            Fate::Failed(failure) | Fate::DoneButFailed(failure) => return Err(failure),
            Fate::Dies { .. } | Fate::Good => {}
        }
        let found = self.0.inside().find(intent);
        let holds = match intent.kind {
            TaskKind::Add | TaskKind::UpdateRole => {
                found.as_ref().is_some_and(|account| Some(&account.role) == intent.role.as_ref())
            }
            TaskKind::Remove => found.is_none(),
            TaskKind::Sync => true,
        };
        let member = found.as_ref().map(shown);
        Ok(if holds { Seen::Holds(member) } else { Seen::DoesNotHold(member) })
    }
}

/// Plugs the one hub into the app.
#[derive(Debug)]
pub struct Plugs(pub Arc<App>);

impl Connectors for Plugs {
    fn connect(&self, _hub: &Hub, _secrets: &BTreeMap<String, SecretString>) -> Result<Arc<dyn Connector>, Failure> {
        Ok(Arc::new(Plug(Arc::clone(&self.0))))
    }

    fn instructions(&self, hub: &Hub, task: &Task) -> String {
        format!("{} {} in {}", task.effect.kind.as_str(), task.effect.principal.email, hub.label)
    }
}
