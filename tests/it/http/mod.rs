//! The way in, through the real binary: shapes, start and stop, credentials on the command line.

mod credentials;
mod lifecycle;
mod shapes;
