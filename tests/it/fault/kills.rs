//! F-01: `kill -9` of the server at random moments under load, twenty times.

use std::collections::BTreeSet;
use std::time::Duration;

use super::stage::{Idp, Stage};
use crate::support::{Database, databases, eventually};

const KILLS: usize = 20;
const CLIENTS: usize = 4;
const PEOPLE: usize = 90;
/// People of each client who leave again; few enough for the guard.
const LEAVERS: usize = 2;

/// A small generator with a printed seed, so that a failing run can be repeated.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn name(client: usize, person: usize) -> String {
    format!("p{client}-{person}@example.com")
}

async fn push(idp: Idp, group: String, client: usize) {
    let mut ids = Vec::new();
    for person in 0..PEOPLE {
        let id = idp.create_user(&name(client, person)).await;
        idp.join(&group, std::slice::from_ref(&id)).await;
        ids.push(id);
        if person >= PEOPLE - LEAVERS {
            idp.deactivate(&ids[PEOPLE - 1 - person]).await;
        }
    }
}

async fn killed_again_and_again(database: &Database, seed: u64) {
    let stage = Stage::set(database, &["box-one", "box-two", "box-three"]);
    // The app would take a second account for the same person: only looking first prevents it.
    stage.take_duplicates().await;
    let mut random = Seeded(seed);
    let mut server = stage.start(&[]);
    let group = stage.client().create_group("staff").await;
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| tokio::spawn(push(stage.client(), group.clone(), client))).collect();
    for _ in 0..KILLS {
        // A moment by progress, not by time: some more requests and some more effects.
        let requests = stage.acknowledged() + usize::try_from(random.below(40)).unwrap();
        let effects = stage.effects() + usize::try_from(random.below(40)).unwrap();
        let total = CLIENTS * PEOPLE * 2;
        eventually(&format!("the server works (seed {seed})"), Duration::from_secs(90), async || {
            (stage.acknowledged() >= requests.min(total) && stage.effects() >= effects)
                || (stage.acknowledged() >= total && stage.effects() + 40 >= CLIENTS * PEOPLE * 3)
        })
        .await;
        server.kill();
        server = stage.start(&[]);
    }
    for client in clients {
        client.await.unwrap();
    }
    stage.drained(&server, Duration::from_secs(180)).await;
    let mut inside = BTreeSet::new();
    let mut outside = BTreeSet::new();
    for client in 0..CLIENTS {
        for person in 0..PEOPLE {
            if person < LEAVERS {
                outside.insert(name(client, person))
            } else {
                inside.insert(name(client, person))
            };
        }
    }
    stage.balance(&inside, &outside).await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_twenty_kills_lose_nothing_and_repeat_nothing() {
    for (number, database) in databases().iter().enumerate() {
        killed_again_and_again(database, 0x5eed_0001 + u64::try_from(number).unwrap()).await;
    }
}
