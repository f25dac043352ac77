//! The thirteen numbered rules of the design ("The flow, end to end"), a test each, named after it,
//! on both databases. Where other tests go into the details these are short; each says its rule's
//! sentences again, so that a reader finds what must hold in one place.

mod intake;
mod people;
mod planning;
mod pushing;
