//! Faults (threats.md section 3): the real server is killed in the middle of its work, and the
//! ledger must balance afterwards. The practice app runs in the test's process and survives.

mod cuts;
mod drift;
mod kills;
mod leaving;
mod outages;
mod requests;
mod restarts;
mod shutdown;
mod slow;
pub mod stage;
mod steps;
mod syncs;
mod two_processes;
mod two_servers;
