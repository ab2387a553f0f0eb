//! IP networks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IP network, such as `192.0.2.0/24` or `2001:db8::/32`. A single address is one too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// What only this machine can send from.
    pub const LOOPBACK: [Self; 2] = [
        Self {
            address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
            prefix: 8,
        },
        Self {
            address: IpAddr::V6(Ipv6Addr::LOCALHOST),
            prefix: 128,
        },
    ];

    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && masked(address, self.prefix) == masked(self.address, self.prefix)
    }
}

/// The address's leading bits, the others zero.
fn masked(address: IpAddr, prefix: u8) -> u128 {
    let (bits, length) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let dropped = u32::saturating_sub(length, u32::from(prefix));
    let kept = bits.checked_shr(dropped).unwrap_or(0);
    kept.checked_shl(dropped).unwrap_or(0)
}

/// The network of an address: so many of its leading bits.
pub(crate) fn network_of(address: IpAddr, prefix: u8) -> IpAddr {
    let bits = masked(address, prefix);
    match address {
        IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| error())?,
            None => longest,
        };
        if prefix > longest {
            return Err(error());
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A text that names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read '{0}': expected an address or a network such as 192.0.2.0/24 or 2001:db8::/32")]
pub struct NetworkError(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_read_and_contain_their_addresses() {
        let network = |text: &str| text.parse::<Network>().unwrap();
        assert!(network("192.0.2.0/24").contains(ip("192.0.2.255")));
        assert!(!network("192.0.2.0/24").contains(ip("192.0.3.0")));
        assert!(network("0.0.0.0/0").contains(ip("203.0.113.9")));
        assert!(!network("0.0.0.0/0").contains(ip("2001:db8::1")));
        assert!(network("2001:db8::/32").contains(ip("2001:db8:ffff::1")));
        assert!(network("::/0").contains(ip("2001:db8::1")));
        assert!(network("192.0.2.7").contains(ip("192.0.2.7")));
        for bad in ["", "192.0.2.0/33", "2001:db8::/129", "host", "192.0.2.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_network_of_an_address_is_its_leading_bits() {
        for (address, prefix, network) in [
            ("192.0.2.7", 32, "192.0.2.7"),
            ("192.0.2.7", 24, "192.0.2.0"),
            ("192.0.2.7", 0, "0.0.0.0"),
            ("2001:db8:0:1:2::3", 64, "2001:db8:0:1::"),
            ("2001:db8:0:1:2::3", 56, "2001:db8::"),
            ("2001:db8:0:1:2::3", 128, "2001:db8:0:1:2::3"),
        ] {
            assert_eq!(network_of(ip(address), prefix), ip(network));
        }
    }
}
