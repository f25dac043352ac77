//! The thirteen numbered rules of the design ("The flow, end to end"), a test each, named after it,
//! on both databases. Where other tests go into the details these are short; each says its rule's
//! sentences again, so that a reader finds what must hold in one place.

mod intake;
mod people;
mod planning;
mod pushing;

use std::sync::Arc;

use scimhub::base::nudge::Nudge;
use scimhub::domain::caller::Caller;
use scimhub::domain::catalog::Catalog;
use scimhub::service::{Context, workspaces};

use crate::planner::world::World;

/// The use cases on a world's database, with these apps, and a caller who may do everything.
async fn service(world: &World, catalog: Catalog) -> (Context, Caller) {
    let mut context = Context::new(world.store.clone(), Arc::new(catalog), Nudge::default(), "http://test");
    context.clock = world.clock.clone();
    context.ids = world.ids.clone();
    let caller = workspaces::local_caller(&context, "planning").await.unwrap();
    (context, caller)
}
