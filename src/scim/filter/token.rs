//! Words of a filter.
