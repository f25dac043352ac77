//! The page at `/`: what the API knows, for people. HTML made here, one style sheet and one small
//! script, all from the binary. Views only write down what use cases answer: no SQL, no decisions.
//! Everything works without the script; with it, what is live moves by itself.

pub mod access;
mod asked;
mod assets;
mod batch;
pub mod decided;
pub mod drift;
pub mod explain;
pub mod failures;
mod fields;
pub mod held;
pub mod history;
pub mod hub;
pub mod item;
mod layout;
pub mod manual;
pub mod member;
mod member_forms;
mod overview;
pub mod people;
mod preview;
pub mod query;
pub mod record;
mod record_words;
mod reply;
pub mod session;
pub mod task_list;
pub mod tasks;
pub mod undo;
mod words;

pub use assets::{favicon, script, style};
pub use overview::show as overview;
pub use reply::{HTML, is_page, refuse};
