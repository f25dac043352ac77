//! Long work beside quick changes at SQLite's one writer: who goes first.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use scimhub::store::{Store, StoreError, Tx};

use crate::support::{Database, eventually};

/// Longer than any of it takes.
const SOON: Duration = Duration::from_secs(20);

type Written = Pin<Box<dyn Future<Output = Result<(), StoreError>>>>;

/// What ran, in order.
#[derive(Clone, Default)]
struct Ran(Arc<Mutex<Vec<&'static str>>>);

impl Ran {
    fn so_far(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }

    /// A closure that says its name and then waits for a word where it is given somebody to wait for.
    fn named(
        &self,
        name: &'static str,
        word: Option<Receiver<()>>,
    ) -> impl FnMut(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static {
        let (ran, word) = (self.clone(), Mutex::new(word));
        move |_| {
            ran.0.lock().unwrap().push(name);
            if let Some(word) = word.lock().unwrap().as_ref() {
                word.recv().unwrap();
            }
            Ok(())
        }
    }
}

/// Puts it in the writer's queue: that happens when it is first asked.
async fn queue(mut write: Written) -> Written {
    std::future::poll_fn(|context| {
        assert!(write.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    write
}

async fn quick(store: &Store, ran: &Ran, name: &'static str) -> Written {
    let (store, work) = (store.clone(), ran.named(name, None));
    queue(Box::pin(async move { store.write(work).await })).await
}

async fn long(store: &Store, ran: &Ran, name: &'static str) -> (Written, Sender<()>) {
    let (go, word) = channel();
    let (store, work) = (store.clone(), ran.named(name, Some(word)));
    (queue(Box::pin(async move { store.write_stretch(work).await })).await, go)
}

#[tokio::test]
async fn a_quick_change_waits_for_one_stretch_at_most_and_stretches_take_turns() {
    let database = Database::sqlite();
    let (store, ran) = (database.open(), Ran::default());
    let (gate, open) = long(&store, &ran, "gate").await;
    eventually("the gate holds the writer", SOON, async || ran.so_far() == ["gate"]).await;
    let (first, first_goes) = long(&store, &ran, "long 1").await;
    let (second, second_goes) = long(&store, &ran, "long 2").await;
    let a = quick(&store, &ran, "quick a").await;
    open.send(()).unwrap();
    gate.await.unwrap();
    // It came last and is answered before another stretch ends.
    a.await.unwrap();
    eventually("the first stretch", SOON, async || ran.so_far() == ["gate", "quick a", "long 1"]).await;
    let b = quick(&store, &ran, "quick b").await;
    first_goes.send(()).unwrap();
    first.await.unwrap();
    b.await.unwrap();
    second_goes.send(()).unwrap();
    second.await.unwrap();
    assert_eq!(ran.so_far(), ["gate", "quick a", "long 1", "quick b", "long 2"]);
}
