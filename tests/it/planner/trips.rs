//! What an app waits for after a change, where nothing else is under way: the round trips to PostgreSQL
//! from the change's commit to the call. Counted, not timed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use scimhub::base::clock::Clock as _;
use scimhub::base::ids::BootId;
use scimhub::base::nudge::Nudge;
use scimhub::base::secret::SecretString;
use scimhub::domain::caller::Preset;
use scimhub::domain::hub::Hub;
use scimhub::domain::task::{Task, TaskKind};
use scimhub::engine::connector::{Connector, Connectors, Failure, NoSteps};
use scimhub::engine::lease::Pace;
use scimhub::engine::recording::Recording;
use scimhub::engine::worker::{NoMeter, Worker};
use scimhub::store::secrets;

use super::world::World;
use crate::engine::bench::{App, Fixed, Plugs};
use crate::support::{Database, Proxy};

/// Notes what was said to the database when an app is about to be called.
#[derive(Debug)]
struct Noting {
    plugs: Plugs,
    proxy: Arc<Proxy>,
    said: Mutex<Vec<String>>,
}

impl Noting {
    fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Connectors for Noting {
    fn connect(&self, hub: &Hub, secrets: &BTreeMap<String, SecretString>) -> Result<Arc<dyn Connector>, Failure> {
        assert_eq!(secrets.len(), 1, "the hub's secret");
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = self.proxy.said();
        self.plugs.connect(hub, secrets)
    }

    fn instructions(&self, hub: &Hub, task: &Task) -> String {
        self.plugs.instructions(hub, task)
    }
}

fn worker(world: &World, connectors: Arc<Noting>) -> Worker {
    let store = world.store.clone();
    Worker {
        store: world.store.clone(),
        connectors,
        secrets: Arc::new(move |workspace, hub, stored| secrets::open(store.keyring(), workspace, hub, stored)),
        clock: world.clock.clone(),
        boot: BootId::from_uuid(world.ids.next()),
        ids: world.ids.clone(),
        dice: Arc::new(Fixed(0.0)),
        nudge: Nudge::default(),
        steps: Arc::new(NoSteps),
        pace: Pace::default(),
        meter: Arc::new(NoMeter),
        recording: Recording::default(),
    }
}

/// Where a statement was prepared or a rest noticed, there are more.
fn shorter(known: Option<Vec<String>>, new: Vec<String>) -> Option<Vec<String>> {
    match known {
        Some(known) if known.len() <= new.len() => Some(known),
        Some(_) | None => Some(new),
    }
}

/// Five people join a group that a mapping is for; the least of what is said for one counts.
#[tokio::test]
async fn a_change_reaches_the_app_in_few_round_trips() {
    let Some(database) = Database::postgres() else { return };
    let proxy = Arc::new(Proxy::before(&database));
    let world = World::on(database.behind(&proxy), Preset::Okta).await;
    let group = world.group("viewers").await;
    world.map_group("viewers", "viewer").await;
    let people = world.users(5).await;
    let (store, workspace, hub, now) = (world.store.clone(), world.workspace, world.hub.id, world.clock.now());
    let secret = SecretString::from(String::from("a token of the app"));
    world.write(move |tx| secrets::put(tx, store.keyring(), workspace, hub, "token", &secret, now)).await;
    world.settle().await;
    let plugs = Plugs(Arc::new(App::default()));
    let noting = Arc::new(Noting { plugs, proxy: Arc::clone(&proxy), said: Mutex::default() });
    let worker = worker(&world, Arc::clone(&noting));
    let (mut planning, mut claiming) = (None, None);
    for person in people {
        world.join(group, &[person]).await;
        proxy.count();
        assert_eq!(world.plan().await.tasks, 1);
        planning = shorter(planning, proxy.said());
        proxy.count();
        assert_eq!(worker.step().await.unwrap(), 1);
        claiming = shorter(claiming, noting.said());
        assert_eq!(world.member(person).await.unwrap().known_role.as_deref(), Some("viewer"));
        // What the end of an attempt marks is looked at.
        assert_eq!(world.plan().await.tasks, 0);
    }
    assert_eq!(noting.plugs.0.calls().iter().filter(|call| call.3 == TaskKind::Add).count(), 5);
    let (planning, claiming) = (planning.unwrap(), claiming.unwrap());
    assert_eq!((planning.len(), claiming.len()), (15, 8), "{planning:#?}\n{claiming:#?}");
}
