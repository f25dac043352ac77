//! A write transaction on PostgreSQL: READ COMMITTED, run again where the server asks for it.

use std::time::Duration;

use diesel::connection::SimpleConnection;

use super::StoreError;
use super::locks::Locks;
use super::pool::{NotBegun, Pool};
use super::tx::Tx;
use crate::base::random::{Dice, SystemDice};
use crate::base::steps::Watch;
use crate::domain::seal::Sealer;

/// Runs of one closure before its caller is told that the database is too busy.
const RUNS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Run `work` in a transaction that holds `locks`, on a pooled connection, on a blocking thread.
///
/// # Errors
/// Whatever `work` returned; [`StoreError::Unavailable`] when the connection broke (the outcome of
/// a broken commit is unknown) or the transaction lost against others too often.
pub(super) fn write<T, E, F>(pool: &Pool, locks: Locks, work: &mut F, watch: Watch, sealer: &Sealer) -> Result<T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E>,
    E: From<StoreError>,
{
    let begin = locks.begin();
    let mut last = None;
    for run in 0..RUNS {
        if run > 0 {
            let span = FIRST_PAUSE.saturating_mul(1 << run).mul_f64(SystemDice.roll());
            std::thread::sleep(span);
        }
        let mut checked = match pool.get(Some(&begin)) {
            Ok(checked) => checked,
            Err(NotBegun { error, again: true }) => {
                last = Some(E::from(error));
                continue;
            }
            Err(NotBegun { error, again: false }) => return Err(E::from(error)),
        };
        let result = work(&mut Tx::over(&mut checked.conn, locks, sealer));
        match result {
            Ok(value) => {
                watch.reached("before_commit");
                // PostgreSQL answers COMMIT of a failed transaction with success and rolls back:
                // a closure that swallowed an error must not be taken for committed.
                let checked_end = if checked.seen.failed() { checked.conn.batch_execute("SELECT 1") } else { Ok(()) };
                watch.reached("in_commit");
                match checked_end.and_then(|()| checked.conn.commit()) {
                    Ok(()) => {
                        watch.reached("after_commit");
                        checked.broken = false;
                        return Ok(value);
                    }
                    Err(error) => last = Some(E::from(error.into())),
                }
                if !checked.seen.asks_to_retry() {
                    break;
                }
            }
            Err(error) => {
                if checked.conn.rollback().is_err() {
                    return Err(E::from(StoreError::Unavailable("the connection to the database broke".into())));
                }
                checked.broken = false;
                let again = checked.seen.asks_to_retry();
                last = Some(error);
                if !again {
                    break;
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| E::from(StoreError::Panicked)))
}
