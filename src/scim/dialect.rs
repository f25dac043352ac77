//! How strictly a source's requests are read. One switch, because one Entra tenant sends both of
//! its dialects and no request says which it is.

/// Whether known habits of identity providers are understood (R-COMPAT).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Only what the RFCs allow; everything else is refused.
    pub strict: bool,
}

impl Dialect {
    /// The default: known habits are understood, unknown attributes ignored and counted.
    pub const fn tolerant() -> Self {
        Self { strict: false }
    }

    /// RFC wording only.
    pub const fn strict() -> Self {
        Self { strict: true }
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::tolerant()
    }
}
