//! What the server tells about itself: logs and metrics. Never tokens, e-mail addresses, bodies.

pub mod logs;
pub mod metrics;
