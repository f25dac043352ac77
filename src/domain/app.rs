//! An app of the catalog, as its manifest (`apps/*.toml`) describes it (DESIGN.md section 4).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::create_fields::CreateField;
use crate::domain::hub::Login;
use crate::domain::permissions::{self, Permissions};
use crate::domain::task::TaskKind;

/// The setting by which a connector is told which attribute of an account carries its assets.
pub const ASSETS_ATTRIBUTE: &str = "assets_attribute";

/// The connector of an app that a person works in.
const BY_HAND: &str = "manual";

/// One kind of external application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// `meta-business`, `scim` …
    pub id: String,
    /// The name people read.
    pub name: String,
    /// Which connector drives it: `scim`, `manual` …
    pub connector: String,
    /// How people may sign in.
    pub logins: Vec<Login>,
    /// Settling time where a hub gives none, in seconds (DESIGN.md section 2.3).
    pub settle_seconds: u64,
    /// What a person must fill in to connect.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// Whether the highest role wins (R5.1). Else roles are permissions that add up.
    #[serde(default = "yes")]
    pub ranked: bool,
    /// Roles; an empty list means the app has none.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Whether any role id is accepted besides the listed ones (roles found at sync).
    #[serde(default)]
    pub open_roles: bool,
    /// What is automated; the rest becomes a manual item (R5.17). A manifest writes down what the
    /// app offers; where nobody drives it (connector `manual`), the catalog leaves nothing of it.
    pub tasks: SupportedTasks,
    /// What the app offers, whoever does it: `tasks` as the manifest has it.
    #[serde(skip)]
    pub offers: SupportedTasks,
    /// What is different under a login method: Stripe with SSO neither adds nor changes roles.
    #[serde(default)]
    pub tasks_with: BTreeMap<Login, TasksWith>,
    /// What it must know of a person before it can add them (section 12.3).
    #[serde(default)]
    pub create_fields: Vec<CreateField>,
    /// Kinds of assets a mapping may name.
    #[serde(default)]
    pub assets: Vec<String>,
    /// The named actions of a kind, where they are known: a mapping gives no other. Of a kind that is not
    /// here any action is accepted.
    #[serde(default)]
    pub asset_tasks: BTreeMap<String, Vec<String>>,
    /// Whether a role can be changed before the invitation is accepted (R4.12).
    #[serde(default)]
    pub role_change_while_pending: bool,
    /// How the app brings somebody in.
    #[serde(default)]
    pub invite: Invite,
    /// Whether people who are invited and have not joined can be seen and removed in the app
    /// (Enterpret shows none): else such a removal is done by hand.
    #[serde(default = "yes")]
    pub invites_visible: bool,
    /// Whether somebody who was removed can be invited again (Appfigures: never): else a person
    /// finds another way.
    #[serde(default = "yes")]
    pub reinvite: bool,
    /// What the account must be that this hub works with (R10.1); people are told where it fails.
    #[serde(default)]
    pub service_role: Option<String>,
    /// How long the app refuses changes after a connection is made.
    #[serde(default)]
    pub waiting: Option<WaitingRule>,
    /// What a person does by hand, by task kind (`add`, `update_role`, `remove`). Placeholders:
    /// `{email}`, `{name}`, `{role}`, `{hub}`.
    #[serde(default)]
    pub instructions: BTreeMap<String, String>,
    /// Settings for the connector.
    #[serde(default)]
    pub settings: BTreeMap<String, toml::Value>,
}

impl App {
    /// Whether the app is called by us, and so needs what its hubs' connections name.
    pub fn is_called(&self) -> bool {
        self.connector != BY_HAND
    }

    /// The settle time where a hub sets none.
    pub fn settle(&self) -> Duration {
        Duration::from_secs(self.settle_seconds)
    }

    /// The ids of the roles that make somebody an admin.
    pub fn admin_roles(&self) -> Vec<String> {
        self.roles.iter().filter(|role| role.admin).map(|role| role.id.clone()).collect()
    }

    /// A role's rank: higher wins. A role the manifest does not list ranks below every listed one.
    pub fn rank(&self, role: &str) -> i32 {
        self.role(role).map_or(i32::MIN, |role| role.rank)
    }

    /// Whether a held role, or one of the held permissions, makes somebody an admin.
    pub fn is_admin(&self, held: &str) -> bool {
        permissions::each(self, held).into_iter().any(|id| self.role(id).is_some_and(|role| role.admin))
    }

    /// A role by id.
    pub fn role(&self, id: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }

    /// The app as it is for people who sign in this way: what it offers may be less.
    pub fn with_login(&self, login: Login) -> Cow<'_, Self> {
        let Some(with) = self.tasks_with.get(&login) else { return Cow::Borrowed(self) };
        let mut app = self.clone();
        app.tasks = with.narrow(app.tasks);
        app.offers = with.narrow(app.offers);
        Cow::Owned(app)
    }

    /// Whether a role can be changed only once the person has accepted the invitation (R4.12).
    pub fn waits_for_acceptance(&self) -> bool {
        !self.role_change_while_pending && self.invite != Invite::None
    }

    /// The role that everybody is added with, where the app gives no other (Gearset, DeepL): the
    /// wanted one follows as a role update.
    pub fn added_as(&self) -> Option<&Role> {
        self.roles.iter().find(|role| role.default_on_add)
    }

    /// Whether a task of this kind is automated for a change from one role to another. A role that
    /// is not updatable is neither given nor taken by an update (the owner of a YouTube channel).
    pub fn automates(&self, kind: TaskKind, from: Option<&str>, to: Option<&str>) -> bool {
        if !self.tasks.includes(kind) {
            return false;
        }
        let fixed = |role: &str| self.role(role).is_some_and(|role| !role.updatable);
        match kind {
            // The role stays: only assets change.
            TaskKind::UpdateRole if from.is_some() && from == to => true,
            TaskKind::UpdateRole if self.ranked => !from.is_some_and(fixed) && !to.is_some_and(fixed),
            // Of permissions only those count that change.
            TaskKind::UpdateRole => {
                let [from, to] = [from, to].map(|role| Permissions::read(role.unwrap_or_default()));
                !from.differing(&to).any(fixed)
            }
            TaskKind::Sync | TaskKind::Add | TaskKind::Remove => true,
        }
    }
}

const fn yes() -> bool {
    true
}

/// How an app brings somebody in (business-hubs.md section 12.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Invite {
    /// It mails the person.
    #[default]
    Email,
    /// It gives a link, which somebody must pass on (JetBrains, R6.7).
    Link,
    /// The account is there at once, or made at the first sign-in.
    None,
}

/// A time in which an app refuses changes (Meta: seven days after a new system user).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingRule {
    /// The connection field that starts it: when it is first there, and when it becomes another.
    pub field: String,
    /// How long, in seconds.
    pub seconds: u64,
    /// The kinds of tasks that wait.
    pub tasks: BTreeSet<TaskKind>,
    /// Why, for people.
    pub reason: String,
}

impl WaitingRule {
    /// How long it lasts.
    pub fn lasts(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// What differs from `tasks` under a login method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TasksWith {
    sync: Option<bool>,
    add: Option<bool>,
    update_role: Option<bool>,
    remove: Option<bool>,
}

impl TasksWith {
    /// Only less: what nobody automates is not automated under any login.
    const fn narrow(self, tasks: SupportedTasks) -> SupportedTasks {
        const fn and(all: bool, with: Option<bool>) -> bool {
            match with {
                Some(with) => all && with,
                None => all,
            }
        }
        SupportedTasks {
            sync: and(tasks.sync, self.sync),
            add: and(tasks.add, self.add),
            update_role: and(tasks.update_role, self.update_role),
            remove: and(tasks.remove, self.remove),
        }
    }

    /// Whether it takes anything away at all.
    pub fn takes_away(self) -> bool {
        [self.sync, self.add, self.update_role, self.remove].contains(&Some(false))
            && ![self.sync, self.add, self.update_role, self.remove].contains(&Some(true))
    }
}

/// A connection field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The key below `connection`.
    pub name: String,
    /// What people read.
    pub label: String,
    /// Whether it may be left out.
    #[serde(default)]
    pub optional: bool,
    /// Whether it must be a secret reference, and never a plain value.
    #[serde(default)]
    pub secret: bool,
    /// The form of a plain value.
    #[serde(default)]
    pub format: FieldFormat,
    /// For `digits`: how many (LinkedIn 19, Google Ads 10).
    #[serde(default)]
    pub length: Option<usize>,
    /// For `text`: the only values there are (a region).
    #[serde(default)]
    pub values: Vec<String>,
    /// Whether two hubs of the app must not share it: it names the app's space. Made-up identifiers
    /// and accounts never are shared.
    #[serde(default)]
    pub unique: bool,
}

impl Field {
    /// Whether two hubs of the app must not have the same value.
    pub const fn is_unique(&self) -> bool {
        match self.format {
            FieldFormat::UniqueIdentifier | FieldFormat::Account => true,
            FieldFormat::Text | FieldFormat::Url | FieldFormat::Digits | FieldFormat::Slug | FieldFormat::Flag => {
                self.unique
            }
        }
    }
}

/// What a plain value must look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldFormat {
    /// Anything without control characters, at most 1,000 characters.
    #[default]
    Text,
    /// An http or https URL.
    Url,
    /// Digits only; `length` says how many.
    Digits,
    /// As in an address: letters and digits, with single `-` or `_` between them, at most 100.
    Slug,
    /// The sign-in name of an account in the app that this hub alone works with (R10.3).
    Account,
    /// 3 to 30 letters and digits (business-hubs.md section 2.1).
    UniqueIdentifier,
    /// `true` or `false`.
    Flag,
}

/// A role of an app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The app's id.
    pub id: String,
    /// What people read.
    pub label: String,
    /// Higher wins (R5.1); without meaning where the app is not ranked.
    #[serde(default)]
    pub rank: i32,
    /// Permissions that cannot be held together with this one.
    #[serde(default)]
    pub incompatible: Vec<String>,
    /// Admin or owner: the guard keeps the last one.
    #[serde(default)]
    pub admin: bool,
    /// Whether automation neither gives nor takes it without a person, in every hub (T-08).
    #[serde(default)]
    pub protected: bool,
    /// Whether a mapping may give it (Backbox shows *Notification* and lets nobody give it).
    #[serde(default = "yes")]
    pub assignable: bool,
    /// Whether an update may give or take it (a YouTube channel's owner is neither).
    #[serde(default = "yes")]
    pub updatable: bool,
    /// Whether everybody is added with it, and another follows by an update.
    #[serde(default)]
    pub default_on_add: bool,
}

/// The supported-task matrix of business-hubs.md section 12.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupportedTasks {
    /// Read all members.
    pub sync: bool,
    /// Create or invite.
    pub add: bool,
    /// Change the role.
    pub update_role: bool,
    /// Remove.
    pub remove: bool,
}

impl SupportedTasks {
    /// Whether this kind is among them.
    pub const fn includes(self, kind: TaskKind) -> bool {
        match kind {
            TaskKind::Sync => self.sync,
            TaskKind::Add => self.add,
            TaskKind::UpdateRole => self.update_role,
            TaskKind::Remove => self.remove,
        }
    }
}
