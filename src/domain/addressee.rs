//! Somebody who is told by mail, of what, and when an address that was refused is tried again. Each has
//! a memory of their own, so that nobody waits for somebody else's mail.

use std::collections::BTreeSet;
use std::time::Duration;

use super::notice::{self, Condition, Digest, Notice, Told};
use crate::base::clock::Micros;
use crate::base::ids::UserId;
use crate::base::limits::{MAIL_GIVEN_UP_REST, MAIL_REST, MAIL_TRIES};

/// What is theirs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hears {
    /// What the workspace chose to be told.
    Workspace,
    /// Everything that is so in these hubs, by their ids: an Owner of them (R6.5).
    Hubs(BTreeSet<String>),
}

/// Somebody who is told by mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// Under which name it is remembered what they were told. Holds no space.
    pub way: String,
    /// Their address.
    pub mail: String,
    /// What of all conditions is theirs.
    pub hears: Hears,
}

impl Addressee {
    /// An address of the workspace's list.
    pub fn listed(mail: &str) -> Self {
        Self { way: format!("mail:{mail}"), mail: mail.to_owned(), hears: Hears::Workspace }
    }

    /// An Owner of hubs.
    pub fn owner(user: UserId, mail: String, hubs: BTreeSet<String>) -> Self {
        Self { way: owner_way(user), mail, hears: Hears::Hubs(hubs) }
    }

    /// What is news to them. An Owner hears of everything in their hubs, whatever the workspace's list
    /// chose to hear; of a hub that is not theirs any more they hear nothing, not even its end.
    pub fn news(&self, holds: &[Notice], told: &[Told], chosen: &[Condition], remind: Duration, now: Micros) -> Digest {
        match &self.hears {
            Hears::Workspace => Digest::of(holds.to_vec(), told, chosen, remind, now),
            Hears::Hubs(hubs) => {
                let theirs = |hub: Option<&str>| hub.is_some_and(|hub| hubs.contains(hub));
                let holds = holds.iter().filter(|notice| theirs(notice.hub.as_deref())).cloned().collect();
                let told: Vec<Told> = told.iter().filter(|one| theirs(notice::hub_of(&one.key))).cloned().collect();
                Digest::of(holds, &told, &[], remind, now)
            }
        }
    }
}

/// What the `way` of an Owner of hubs begins with; their user id follows.
pub const OWNER_WAY: &str = "owner:";

/// Under which name it is remembered what an Owner of hubs was told.
pub fn owner_way(user: UserId) -> String {
    format!("{OWNER_WAY}{user}")
}

/// How often in a row an address was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The address; another one is tried at once.
    pub mail: String,
    /// How often.
    pub tries: i32,
    /// When last.
    pub at: Micros,
    /// What the mail server answered, without its words.
    pub error: String,
}

impl Refusal {
    /// When it is tried again: after a rest that doubles, and after [`MAIL_TRIES`] once a day.
    pub fn next_try(&self) -> Micros {
        if self.is_given_up() {
            return self.at.plus(MAIL_GIVEN_UP_REST);
        }
        let doubled = u32::try_from(self.tries.saturating_sub(1)).unwrap_or(0).min(16);
        self.at.plus(MAIL_REST.saturating_mul(2_u32.saturating_pow(doubled)).min(MAIL_GIVEN_UP_REST))
    }

    /// Whether it was refused as often as it is tried for one piece of news.
    pub const fn is_given_up(&self) -> bool {
        self.tries >= MAIL_TRIES
    }

    /// Whether somebody at this address has to wait now.
    pub fn rests(&self, mail: &str, now: Micros) -> bool {
        self.mail == mail && now < self.next_try()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::{Facts, FailedFact, HoldFact, SourceFact, conditions};

    const NOW: Micros = Micros(1_000_000_000_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn holds() -> Vec<Notice> {
        let failed = |hub: &str| FailedFact { hub: hub.into(), tasks: 2, since: NOW };
        let facts = Facts {
            failed: vec![failed("git"), failed("ads")],
            holds: vec![HoldFact { id: "h1".into(), hub: "git".into(), reason: "mass".into(), tasks: 3, since: NOW }],
            sources: vec![SourceFact { name: "git".into(), last_request: Some(NOW.minus(DAY * 9)), token_ends: None }],
            ..Facts::default()
        };
        conditions(&facts, DAY * 3, DAY, NOW)
    }

    fn keys(notices: &[Notice]) -> Vec<&str> {
        notices.iter().map(|notice| notice.key.as_str()).collect()
    }

    #[test]
    fn an_owner_hears_of_their_hubs_and_the_list_of_what_it_chose() {
        let holds = holds();
        let owner = Addressee::owner(UserId::from_uuid(uuid::Uuid::nil()), "a@x.example".into(), ["git".into()].into());
        let news = owner.news(&holds, &[], &[Condition::SilentSource], DAY, NOW);
        assert_eq!(keys(&news.new), ["held_batch git h1", "failed_tasks git"]);
        let list = Addressee::listed("ops@x.example").news(&holds, &[], &[Condition::SilentSource], DAY, NOW);
        assert_eq!(keys(&list.new), ["silent_source git"]);
        // Of what was told, only what is theirs still is over for them.
        let told = |key: &str| Told { key: key.into(), line: "l".into(), last_told: NOW };
        let told = [told("problem ads x"), told("problem git x"), told("silent_source git")];
        let over = owner.news(&holds, &told, &[], DAY, NOW).over;
        assert_eq!(over.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["problem git x"]);
    }

    #[test]
    fn an_address_that_is_refused_is_tried_ever_less_often() {
        let after = |tries| {
            let refusal = Refusal { mail: "a@x.example".into(), tries, at: NOW, error: String::new() };
            (refusal.next_try().since(NOW).as_secs() / 60, refusal.is_given_up())
        };
        let found: Vec<_> = (1..=MAIL_TRIES).map(after).collect();
        assert_eq!(found, [(5, false), (10, false), (20, false), (40, false), (80, false), (1_440, true)]);
        assert_eq!(after(i32::MAX), (1_440, true));
        let refusal = Refusal { mail: "a@x.example".into(), tries: 1, at: NOW, error: String::new() };
        assert!(refusal.rests("a@x.example", NOW) && !refusal.rests("b@x.example", NOW));
        assert!(!refusal.rests("a@x.example", NOW.plus(MAIL_REST)));
    }
}
