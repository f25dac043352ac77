//! The way in, through the real binary: shapes, start and stop, credentials on the command line.

mod credentials;
mod lifecycle;
mod openapi;
mod scim_arrivals;
mod scim_arrivals_together;
mod scim_crowds;
mod scim_groups;
mod scim_isolation;
mod scim_lists;
mod scim_marks;
mod scim_support;
mod scim_users;
mod shapes;
