//! Two servers on one PostgreSQL, one killed in the middle of 2,000 tasks: every effect once,
//! nothing left running.

use std::collections::BTreeSet;
use std::time::Duration;

use super::stage::Stage;
use crate::support::{databases, eventually};

const PEOPLE: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_and_one_is_killed_in_the_middle_of_2000_tasks() {
    for database in databases().into_iter().filter(|database| database.name == "postgres") {
        let stage = Stage::set(&database, &["box-one", "box-two", "box-three", "box-four"]);
        let dying = stage.start(&[]);
        let living = stage.start(&[]);
        let idp = stage.client();
        let group = idp.create_group("staff").await;
        let mut users = Vec::new();
        let mut names = BTreeSet::new();
        for number in 0..PEOPLE {
            let name = format!("p{number}@example.com");
            users.push(idp.create_user(&name).await);
            names.insert(name);
        }
        for some in users.chunks(100) {
            idp.join(&group, some).await;
        }
        let all = PEOPLE * 4;
        eventually("half is done", Duration::from_secs(180), async || stage.effects() > all / 3).await;
        dying.kill();
        stage.drained(&living, Duration::from_secs(240)).await;
        stage.balance(&names, &BTreeSet::new()).await;
        assert_eq!(stage.effects(), all, "every effect once");
        drop(living);
    }
}
