//! Who may do what: one rule set as data (business-hubs.md section 3), asked from every entrance
//! through [`may`]. Pure: roles and hub rights come in as values, nothing is looked up here. Every
//! match names every variant, so that a new action or role does not compile until somebody has
//! decided about it (threat T-15).

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

mod action;
mod credentials;
mod giving;
mod partners;
mod people;
mod role;
mod table;
#[cfg(test)]
mod tests;

pub use action::{Action, Extent};
pub use credentials::{Maker, Wanted, may_end, may_make};
pub use giving::{NotGiven, Subject, gives, may_give, may_map};
pub use partners::{Hand, PartnerRole, UnknownPartnerRole};
pub use people::{Claims, Given};
pub use role::{HubRight, Role, UnknownRole};
pub use table::{Kind, Needed, Rights, Verdict, may, needed, who};
