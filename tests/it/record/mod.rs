//! The activity record: sealed, checked, cut, exported; and what can be read back from it.

mod erasing;
mod origins;
mod reading;
mod replay;
mod tampering;
