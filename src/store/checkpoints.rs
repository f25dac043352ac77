//! Checkpoints of SQLite's log, beside its writer. What is committed stands in the log and has to be
//! copied into the file now and then; whoever's commit finds 4,000 pages there does it before it is
//! answered, and everybody waits. A thread that copies earlier leaves little for that commit to copy.
//! It cannot take all: only a moment without a writer lets the log begin anew.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::StoreError;
use super::conn::{DbConn, Place, Role};

/// Pages of the log that are worth the two syncs of a checkpoint.
const PAGES: i32 = 1_000;
/// From one look to the next: in such a time few pages are written, and looks cost next to nothing.
const PAUSE: Duration = Duration::from_millis(10);

/// The writer's end.
pub(super) struct Checkpoints(SyncSender<()>);

impl Checkpoints {
    /// Start the thread; it ends when this end is dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the system gives no thread.
    pub fn start(place: Place) -> Result<Self, StoreError> {
        let (committed, commits) = sync_channel(1);
        std::thread::Builder::new()
            .name(String::from("sqlite-checkpoint"))
            .spawn(move || serve(&place, &commits))
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(Self(committed))
    }

    /// Something was committed. Never waits.
    pub fn committed(&self) {
        // One that waits already stands for this one.
        let _ = self.0.try_send(());
    }
}

fn serve(place: &Place, commits: &Receiver<()>) {
    let mut open = None;
    while commits.recv().is_ok() {
        open = match advance(place, open.take()) {
            Ok(conn) => Some(conn),
            Err(error) => {
                tracing::debug!(%error, "no checkpoint now; a commit makes one later");
                None
            }
        };
        std::thread::sleep(PAUSE);
    }
}

fn advance(place: &Place, open: Option<DbConn>) -> Result<DbConn, StoreError> {
    let mut conn = match open {
        Some(conn) => conn,
        None => place.connect(Role::Checkpoint)?,
    };
    // Asks and does nothing.
    let log = checkpoint(&mut conn, "NOOP")?;
    if log.log - log.checkpointed >= PAGES {
        // Waits for nobody, and nobody waits for it.
        checkpoint(&mut conn, "PASSIVE")?;
    }
    Ok(conn)
}

/// What SQLite answers, in pages of the log.
#[derive(QueryableByName)]
struct Log {
    /// In it.
    #[diesel(sql_type = Integer)]
    log: i32,
    /// Of these, copied.
    #[diesel(sql_type = Integer)]
    checkpointed: i32,
}

fn checkpoint(conn: &mut DbConn, mode: &str) -> Result<Log, StoreError> {
    Ok(diesel::sql_query(format!("PRAGMA wal_checkpoint({mode})")).get_result(conn)?)
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;

    use super::*;

    /// A dozen pages of the log.
    const FILL: &str = "INSERT INTO t SELECT zeroblob(4000) FROM json_each('[1,2,3,4,5,6,7,8,9,10]')";

    fn database() -> (tempfile::TempDir, Place, DbConn) {
        let folder = tempfile::tempdir().unwrap();
        let place: Place = format!("sqlite:{}/a.db", folder.path().display()).parse().unwrap();
        let mut writer = place.connect(Role::Writer).unwrap();
        writer.batch_execute("CREATE TABLE t (x)").unwrap();
        (folder, place, writer)
    }

    #[test]
    fn what_a_writer_leaves_in_the_log_is_copied_beside_it() {
        let (_folder, place, mut writer) = database();
        writer.batch_execute(FILL).unwrap();
        let conn = advance(&place, None).unwrap();
        let mut look = place.connect(Role::Checkpoint).unwrap();
        assert_eq!(checkpoint(&mut look, "NOOP").unwrap().checkpointed, 0, "too little to be worth it");

        (0..120).for_each(|_| writer.batch_execute(FILL).unwrap());
        let before = checkpoint(&mut look, "NOOP").unwrap();
        assert!(before.log >= PAGES && before.checkpointed == 0, "{} {}", before.log, before.checkpointed);
        writer.batch_execute(&format!("BEGIN IMMEDIATE; {FILL}")).unwrap();
        drop(advance(&place, Some(conn)).unwrap());
        let after = checkpoint(&mut look, "NOOP").unwrap();
        assert_eq!(after.checkpointed, before.log, "all that was committed, beside an open transaction");
        writer.batch_execute("COMMIT").unwrap();
    }

    #[test]
    fn the_thread_looks_after_commits_until_nobody_commits_any_more() {
        let (_folder, place, mut writer) = database();
        let (committed, commits) = sync_channel(1);
        let serving = std::thread::spawn(move || serve(&place, &commits));
        let checkpoints = Checkpoints(committed);
        for _ in 0..220 {
            writer.batch_execute(FILL).unwrap();
            checkpoints.committed();
        }
        drop(checkpoints);
        serving.join().unwrap();
        // More than twice as much was written; the log may have begun anew since.
        let log = checkpoint(&mut writer, "NOOP").unwrap();
        assert!(log.log - log.checkpointed < PAGES, "{} {}", log.log, log.checkpointed);
    }
}
