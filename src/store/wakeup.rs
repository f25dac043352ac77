//! Nudges between the processes of a cluster: one thread with one connection sends `NOTIFY` after
//! commits, many nudges in one, and hears those of the others. Lost ones cost latency only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::StoreError;
use super::conn::{DbConn, Place, Role};
use crate::base::nudge::{Nudge, Wake};

const CHANNEL: &str = "scimhub";
/// How often the connection is looked at: libpq has no blocking wait, and this is the latency
/// that another process's nudge adds.
const LOOK: Duration = Duration::from_millis(10);
/// After a broken connection.
const PAUSE: Duration = Duration::from_secs(1);

const PLANNER: u8 = 1;
const WORKERS: u8 = 2;

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

/// Start the thread.
///
/// # Errors
/// [`StoreError::Unavailable`] when the system gives no thread.
pub(super) fn start(place: Place, nudge: &Nudge) -> Result<(), StoreError> {
    // One token in the channel stands for any number of nudges; the bits say whose.
    let (sender, woken) = sync_channel::<()>(1);
    let pending = Arc::new(AtomicU8::new(0));
    let thread = Thread { place, local: nudge.local(), pending: Arc::clone(&pending), woken };
    std::thread::Builder::new()
        .name(String::from("postgres-wakeup"))
        .spawn(move || thread.run())
        .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
    nudge.relay_through(move |wake| {
        let bit = match wake {
            Wake::Planner => PLANNER,
            Wake::Workers => WORKERS,
        };
        pending.fetch_or(bit, Ordering::SeqCst);
        let _ = sender.try_send(());
    });
    Ok(())
}

struct Thread {
    place: Place,
    local: Nudge,
    pending: Arc<AtomicU8>,
    woken: Receiver<()>,
}

/// Why the inner loop ended.
enum End {
    /// Nobody nudges any more.
    Dropped,
    /// The connection broke, for this reason.
    Broken(StoreError),
}

impl From<diesel::result::Error> for End {
    fn from(error: diesel::result::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl Thread {
    fn run(&self) {
        loop {
            match self.relay() {
                End::Dropped => return,
                End::Broken(error) => {
                    tracing::debug!(%error, "nudges between processes pause; polling goes on");
                    std::thread::sleep(PAUSE);
                    if matches!(self.woken.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)) {
                        return;
                    }
                }
            }
        }
    }

    fn relay(&self) -> End {
        match self.relay_on_one_connection() {
            Ok(()) => End::Dropped,
            Err(end) => end,
        }
    }

    /// Until the connection breaks or nobody is left.
    fn relay_on_one_connection(&self) -> Result<(), End> {
        let mut conn = match self.place.connect(Role::Reader).map_err(End::Broken)? {
            DbConn::Postgres(conn) => conn,
            DbConn::Sqlite(_) => return Ok(()),
        };
        // A nudge that a crash loses costs nothing, and its commit need not stand in line with others.
        conn.batch_execute(&format!("SET synchronous_commit = off; LISTEN {CHANNEL}"))?;
        let own: Backend = diesel::sql_query("SELECT pg_backend_pid() AS pid").get_result(&mut conn)?;
        // What happened while nobody listened.
        self.local.planner();
        self.local.workers();
        loop {
            match self.woken.recv_timeout(LOOK) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            let bits = self.pending.swap(0, Ordering::SeqCst);
            for (bit, word) in [(PLANNER, "planner"), (WORKERS, "workers")] {
                if bits & bit != 0 {
                    conn.batch_execute(&format!("NOTIFY {CHANNEL}, '{word}'"))?;
                }
            }
            for heard in conn.notifications_iter() {
                let heard = heard?;
                if heard.process_id == own.pid {
                    continue;
                }
                match heard.payload.as_str() {
                    "planner" => self.local.planner(),
                    "workers" => self.local.workers(),
                    // A newer version's word: waking both is never wrong.
                    _ => {
                        self.local.planner();
                        self.local.workers();
                    }
                }
            }
        }
    }
}
