//! What if: every change of hubs, mappings and files can be looked at before it is made, on the
//! people it would really reach, and made only where it still means that.
//!
//! A change is a [`steps::Diff`]; `look` shows it with its effects on people and its digest, and
//! carries it out under a digest. Looking never writes.

mod digest;
mod effects;
mod holding;
pub(super) mod look;
mod outline;
pub(super) mod steps;
mod stops;

pub use crate::domain::whatif::stopping::Stop;
pub use crate::domain::whatif::{Begins, Outcome, PersonEffect};
pub use digest::Digest;
pub use effects::HubEffect;
pub(super) use effects::{Fate, Touched};
pub use outline::{Action, BindingShown, HubDiff, MappingDiff, Plan, RoleChange, RoleDiff};
