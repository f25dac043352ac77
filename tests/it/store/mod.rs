//! The storage core: one contract for both databases.

mod contract;
