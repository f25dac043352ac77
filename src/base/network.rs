//! A range of addresses, such as `10.0.0.0/8` or `::1`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

/// The text is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a range of addresses such as 10.0.0.0/8, 192.0.2.7 or fd00::/8")]
pub struct BadNetwork(String);

impl Network {
    /// The addresses that share the first `prefix` bits of `address`; more bits than it has count
    /// as all of them.
    pub const fn new(address: IpAddr, prefix: u32) -> Self {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix: if prefix > bits { bits } else { prefix } }
    }

    /// Whether every address of its kind lies in the range.
    pub const fn is_everything(self) -> bool {
        self.prefix == 0
    }

    /// Whether `address` lies in the range. An IPv4 address inside IPv6 counts as itself.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                self.prefix == 0 || differing.checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                self.prefix == 0 || differing.checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.chars().take(64).collect());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u32 = prefix.map_or(Ok(bits), str::parse).map_err(|_| bad())?;
        if prefix > bits {
            return Err(bad());
        }
        // `::ffff:10.0.0.0/104` is 10.0.0.0/8: addresses are compared as what they are.
        match (address.to_canonical(), prefix.checked_sub(96)) {
            (address @ IpAddr::V4(_), Some(prefix)) if bits == 128 => Ok(Self { address, prefix }),
            (IpAddr::V4(_) | IpAddr::V6(_), _) => Ok(Self { address, prefix }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_they_say() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::2", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "fe80::1", true),
            ("::ffff:10.0.0.0/104", "10.255.0.1", true),
            ("::ffff:10.0.0.0/104", "11.0.0.1", false),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
        ];
        for (range, address, inside) in cases {
            let range: Network = range.parse().unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), inside, "{address} in {range}");
        }
        for bad in ["", "10", "10.0.0.0/33", "10.0.0.0/-1", "fd00::/129", "example.com", "10.0.0.0/8/8"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
