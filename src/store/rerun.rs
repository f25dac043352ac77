//! A write transaction on PostgreSQL: READ COMMITTED, run again where the server asks for it, or where it
//! needs more locks to begin with.

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

/// Why nothing is acknowledged.
pub(super) struct Failed<E> {
    /// For the caller.
    pub error: E,
    /// `work` returned the error, and its changes were rolled back for certain.
    pub undone: bool,
}

impl<E> Failed<E> {
    const fn undone(error: E) -> Self {
        Self { error, undone: true }
    }

    const fn unsure(error: E) -> Self {
        Self { error, undone: false }
    }
}

/// Run `work` in a transaction that holds `locks`, or more where it asked for them, on a pooled connection,
/// on a blocking thread. Each of `watched` reaches the steps of a request that it stands for.
///
/// # Errors
/// Whatever `work` returned; [`StoreError::Unavailable`] when the connection broke (the outcome of
/// a broken commit is unknown) or the transaction lost against others too often.
pub(super) fn write<T, E, F>(
    pool: &Pool,
    locks: Locks,
    work: &mut F,
    watched: &[Watch],
    sealer: &Sealer,
) -> Result<T, Failed<E>>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E>,
    E: From<StoreError>,
{
    let reached = |step| watched.iter().for_each(|watch| watch.reached(step));
    let (mut locks, mut last, mut lost) = (locks, None, false);
    for run in 0..RUNS {
        if lost {
            let span = FIRST_PAUSE.saturating_mul(1 << run).mul_f64(SystemDice.roll());
            std::thread::sleep(span);
        }
        lost = true;
        let mut checked = match pool.get(Some(&locks.begin())) {
            Ok(checked) => checked,
            Err(NotBegun { error, again: true }) => {
                last = Some(Failed::unsure(E::from(error)));
                continue;
            }
            Err(NotBegun { error, again: false }) => return Err(Failed::unsure(E::from(error))),
        };
        let mut tx = Tx::over(&mut checked.conn, locks, sealer);
        let result = work(&mut tx);
        let wanted = tx.wanted();
        match result {
            Ok(value) => {
                reached("before_commit");
                // PostgreSQL answers COMMIT of a failed transaction with success and rolls back:
                // a closure that swallowed an error must not be taken for committed.
                let checked_end = if checked.seen.failed() { checked.conn.batch_execute("SELECT 1") } else { Ok(()) };
                reached("in_commit");
                match checked_end.and_then(|()| checked.conn.commit()) {
                    Ok(()) => {
                        reached("after_commit");
                        checked.broken = false;
                        return Ok(value);
                    }
                    Err(error) => last = Some(Failed::unsure(E::from(error.into()))),
                }
                if !checked.seen.asks_to_retry() {
                    break;
                }
            }
            Err(error) => {
                if checked.conn.rollback().is_err() {
                    let broke = StoreError::Unavailable("the connection to the database broke".into());
                    return Err(Failed::unsure(E::from(broke)));
                }
                checked.broken = false;
                let again = checked.seen.asks_to_retry();
                last = Some(Failed::undone(error));
                match wanted {
                    Some(wanted) => (locks, lost) = (wanted, false),
                    None if again => {}
                    None => break,
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| Failed::unsure(E::from(StoreError::Panicked))))
}
