//! Values of one attribute.
