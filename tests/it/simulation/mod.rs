//! Random histories of an identity provider × random faults of an app × processes that die, on a
//! virtual clock. However it went, at rest the app holds what everybody should hold, except where
//! the product says that a person must act. Each history comes from its seed alone:
//! `SCIMHUB_SIMULATION_SEED=17 cargo test --test it -- simulation` runs one again and tells it.

mod app;
mod chance;
mod history;
mod model;
mod rest;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::sqlite::SqliteConnection;
use scimhub::domain::catalog::Catalog;
use scimhub::store::Store;

use self::rest::Tally;
use self::world::World;

/// Histories where nothing else is asked for.
const SEEDS: u64 = 2_000;
/// Steps of one history.
const STEPS: usize = 30;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What all histories begin with.
struct Beginning<'a> {
    folder: &'a Path,
    /// A migrated database.
    template: PathBuf,
    catalog: Arc<Catalog>,
}

/// Run one history in a copy of the migrated database.
async fn run(seed: u64, beginning: &Beginning<'_>) -> (World, Result<Tally, String>) {
    let Beginning { folder, template, catalog } = beginning;
    let database = folder.join(format!("{seed}.db"));
    std::fs::copy(template, &database).unwrap();
    std::fs::copy(template.with_extension("db.key"), database.with_extension("db.key")).unwrap();
    let mut world = World::new(seed, Arc::clone(catalog), &database).await;
    for _ in 0..STEPS {
        history::step(&mut world).await;
    }
    let judged = match rest::come(&mut world).await {
        Ok(()) => rest::judge(&world).await,
        Err(still) => Err(still),
    };
    let judged = judged.and_then(|tally| rest::strangers_untouched(&world).map(|()| tally));
    let judged = judged.and_then(|tally| rest::protected_untouched(&world).map(|()| tally));
    (world, judged)
}

/// A migrated database that nobody has open. A store that is dropped closes its file a while later, and
/// what is copied meanwhile is half of it.
fn template(folder: &Path) -> PathBuf {
    let (first, template) = (folder.join("first.db"), folder.join("template.db"));
    let _store = Store::open(&format!("sqlite:{}", first.display())).unwrap();
    let mut conn = SqliteConnection::establish(&first.to_string_lossy()).unwrap();
    conn.batch_execute(&format!("VACUUM INTO '{}'", template.display())).unwrap();
    std::fs::rename(first.with_extension("db.key"), template.with_extension("db.key")).unwrap();
    template
}

/// Run seeds as they are handed out, on a thread of its own.
fn lane(next: &AtomicU64, end: u64, beginning: &Beginning<'_>) -> Result<Tally, String> {
    let mut sum = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= end {
            return Ok(sum);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (world, judged) = runtime.block_on(run(seed, beginning));
        match judged {
            Ok(tally) => {
                sum.equal += tally.equal;
                sum.excused += tally.excused;
            }
            Err(why) => {
                next.store(end, Ordering::SeqCst);
                let told = [world.log.join("\n"), world.app.log().join("\n")].join("\n-- the app --\n");
                return Err(format!(
                    "{why}\n{told}\nthe app: {:#?}\nagain with SCIMHUB_SIMULATION_SEED={seed}",
                    world.app.accounts()
                ));
            }
        }
        drop(world);
        runtime.shutdown_background();
        for name in ["db", "db-wal", "db-shm", "db.key"] {
            let _ = std::fs::remove_file(beginning.folder.join(format!("{seed}.{name}")));
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a seed that failed must be seen to be run again")]
fn at_rest_the_app_holds_what_everybody_should_hold() {
    let one = asked("SCIMHUB_SIMULATION_SEED");
    let count = asked("SCIMHUB_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let (first, end) = one.map_or((0, count), |seed| (seed, seed + 1));
    println!("seeds {first} to {}", end - 1);
    let next = AtomicU64::new(first);
    let folder = memory_folder();
    let folder = folder.path();
    let beginning = Beginning { folder, template: template(folder), catalog: Arc::new(world::catalog(folder)) };
    let lanes = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    let sums: Vec<Result<Tally, String>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..lanes).map(|_| scope.spawn(|| lane(&next, end, &beginning))).collect();
        running.into_iter().map(|lane| lane.join().unwrap()).collect()
    });
    let mut all = Tally::default();
    for sum in sums {
        let sum = sum.unwrap_or_else(|why| panic!("{why}"));
        all.equal += sum.equal;
        all.excused += sum.excused;
    }
    println!("{} people as wanted, {} wait for a person", all.equal, all.excused);
    // Or the test would show nothing: most histories end without anybody having to act.
    assert!(one.is_some() || all.equal > all.excused * 4, "{all:?}");
}

/// A folder whose files cost no disk sync, where the system has one: thousands of histories commit
/// some hundred thousand times, and what a sync is worth is tested elsewhere.
fn memory_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(folder) = tempfile::tempdir_in(memory)
    {
        return folder;
    }
    tempfile::tempdir().unwrap()
}
