//! Telling the world: events to endpoints (webhooks), and conditions to people (notifications).
//! Never in the way of anything else: what cannot be told waits, is shown, and is tried again.

pub mod deliver;
mod mail;
pub mod notify;
