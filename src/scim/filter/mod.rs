//! Filters (RFC 7644 section 3.4.2.2): text to tree with explicit bounds, tree to attributes of one
//! resource type, and exact evaluation. `store` translates indexed attributes from the same tree.

mod ast;
mod eval;
mod parse;
mod resolve;
#[cfg(test)]
mod tests;
mod token;

pub use ast::{Expr, Filter, Literal, Op};
pub use eval::present;
pub(super) use parse::bracket;
pub(super) use resolve::element;
pub use resolve::{Compare, Operand, Resolved, Test};
