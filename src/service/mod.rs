//! Use cases: one transaction each. They call `domain` to decide and `store` to keep, and know
//! neither HTTP nor who answers.

pub mod access;
pub mod activity;
pub mod apps;
pub mod arriving;
pub mod audit;
pub mod checking;
pub mod decided;
pub mod deliveries;
pub mod drift;
pub mod erasure;
pub mod error;
pub mod explain;
pub mod failures;
pub mod files;
pub mod given_fields;
pub mod group_list;
mod group_steps;
pub mod groups;
pub mod guests;
pub mod health;
pub mod heard;
pub mod held;
pub mod history;
mod hub_changes;
mod hub_leavers;
mod hub_moves;
mod hub_standing;
pub mod hub_view;
pub mod hub_whatif;
pub mod hubs;
pub mod items;
mod leavers;
pub mod managers;
pub mod mapping_changes;
pub mod mappings;
pub mod member_actions;
pub mod members;
mod moments;
pub mod names;
pub mod notifications;
pub mod overview;
pub mod owners;
pub mod page;
pub mod parents;
pub mod partners;
pub mod people;
pub mod problems;
pub mod pushing;
pub mod regain;
pub mod reports;
pub mod rights;
pub mod role_mappings;
pub mod roles;
pub mod roster;
mod scribe;
pub mod secrets;
pub mod shown;
pub mod sources;
mod subjects;
pub mod sync;
pub mod task_view;
pub mod tasks;
pub mod teams;
pub mod tokens;
pub mod told;
pub mod undo;
mod user_joining;
pub mod user_list;
pub mod users;
pub mod waiting;
pub mod webhooks;
pub mod whatif;
pub mod workspaces;

use std::sync::Arc;

pub use error::ServiceError;

use crate::base::clock::SharedClock;
use crate::base::nudge::Nudge;
use crate::base::random::Ids;
use crate::domain::catalog::Catalog;
use crate::store::Keyring;
use crate::store::census::Census;
use crate::store::joint::JointWriter;

pub use crate::domain::caller::{Caller, Preset, Scope, UnknownWord};
pub use crate::domain::credential::TokenKey;
pub use crate::domain::rights as rules;
pub use crate::store::Store;

/// Whether the installation may call an address, as a person typed it; else a sentence for them.
pub type MayCall = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// What every use case needs. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The database.
    pub store: Store,
    /// Where "now" comes from.
    pub clock: SharedClock,
    /// Makes identifiers.
    pub ids: Ids,
    /// Brings together users who arrive at the same time.
    pub arrivals: JointWriter<arriving::Arriving>,
    /// Wakes planner and workers after a commit.
    pub nudge: Nudge,
    /// How many users there are, so that lists need not count them.
    pub census: Arc<Census>,
    /// The apps a hub can be of.
    pub catalog: Arc<Catalog>,
    /// Seals secrets.
    pub keyring: Arc<Keyring>,
    /// The key that tokens are hashed under.
    pub token_key: TokenKey,
    /// How the sources fare.
    pub heard: heard::Heard,
    /// Calls apps to see whether a connection works.
    pub prober: Arc<dyn checking::Prober>,
    /// Whether a hub that was just connected is checked without anybody asking.
    pub first_check: checking::FirstCheck,
    /// What `meta.location` and links begin with, without a slash at the end; never the Host header.
    pub base_url: Arc<str>,
    /// Looks at addresses when they are saved; whoever calls them looks again.
    pub may_call: MayCall,
}

impl Context {
    /// Put the parts together; time and keys are the store's.
    pub fn new(store: Store, catalog: Arc<Catalog>, nudge: Nudge, base_url: &str) -> Self {
        let clock = Arc::clone(store.clock());
        let ids = Ids::new(Arc::clone(&clock));
        let keyring = Arc::new(store.keyring().clone());
        let token_key = keyring.token_key();
        let base_url = base_url.trim_end_matches('/').into();
        let prober = Arc::new(checking::NoProber);
        // Until it is known what may be called, nothing may.
        let may_call: MayCall =
            Arc::new(|_| Err(String::from("this process does not know which addresses may be called")));
        Self {
            census: Arc::default(),
            prober,
            first_check: checking::FirstCheck::Asked,
            arrivals: JointWriter::new(store.clone()),
            store,
            clock,
            ids,
            nudge,
            catalog,
            keyring,
            token_key,
            heard: heard::Heard::default(),
            base_url,
            may_call,
        }
    }
}
