//! Values that must not be seen: no `Display`, no serialisation, `Debug` prints only the kind,
//! and the memory is wiped on drop. Comparison is not offered; see `auth` for constant time.

use std::fmt;

use zeroize::Zeroize;

/// A secret value. Reaching it takes the word `expose`, which a reviewer can search for.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

/// The usual case.
pub type SecretString = Secret<String>;

impl<T: Zeroize> Secret<T> {
    /// Take ownership; the caller must not keep a copy.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Look at the value, for the shortest time possible.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// Fill the value in place, so that no other copy of it is made.
    pub fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl From<String> for Secret<String> {
    fn from(value: String) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new(String::from("hunter2"))), "Secret(***)");
    }
}
