//! Who a client is, as far as its address tells. The same address in two spellings is one client.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A client for rate limits. Behind one IPv6 customer line there are 2^64 addresses to choose from, so there
/// the network counts and not the address.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum ClientKey {
    V4([u8; 4]),
    V6(Ipv6Network),
    /// Not an address, but still the same text for the same client, one may hope.
    Opaque(String),
}

impl ClientKey {
    pub(super) fn of(client: &str) -> Self {
        match address_of(client) {
            Some(IpAddr::V4(address)) => Self::V4(address.octets()),
            Some(IpAddr::V6(address)) => Self::V6(Ipv6Network::of(address)),
            None => Self::Opaque(client.trim().to_lowercase()),
        }
    }
}

/// A client for the lock after failed log-ins: wide enough that a guesser does not get around it by taking the
/// neighbouring address. It is written as `192.0.2.0/24`, `2001:db8::/64` or `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientNetwork {
    /// An IPv4 network with a mask of 24 bits.
    V4([u8; 3]),
    /// An IPv6 network with a mask of 64 bits.
    V6(Ipv6Network),
    /// All clients whose address can't be read, together: who sends nonsense gets no tries of its own for it.
    Unknown,
}

/// The network of a client by its address.
#[must_use]
pub fn network_of(client: &str) -> ClientNetwork {
    match address_of(client) {
        Some(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            ClientNetwork::V4([a, b, c])
        }
        Some(IpAddr::V6(address)) => ClientNetwork::V6(Ipv6Network::of(address)),
        None => ClientNetwork::Unknown,
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4([a, b, c]) => write!(out, "{a}.{b}.{c}.0/24"),
            Self::V6(network) => write!(out, "{network}"),
            Self::Unknown => write!(out, "unknown"),
        }
    }
}

/// The first half of an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ipv6Network([u16; 4]);

impl Ipv6Network {
    fn of(address: std::net::Ipv6Addr) -> Self {
        let [a, b, c, d, ..] = address.segments();
        Self([a, b, c, d])
    }
}

impl fmt::Display for Ipv6Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(out, "{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
    }
}

/// Reads an address. A port behind it is dropped, since some proxies add it and it changes with every connection;
/// an IPv4 address in IPv6 clothes is that IPv4 address.
fn address_of(client: &str) -> Option<IpAddr> {
    let client = client.trim();
    let bare = client.parse::<IpAddr>().ok();
    bare.or_else(|| client.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_one_client_however_it_is_spelt() {
        for (one, other) in [
            ("192.0.2.7", " 192.0.2.7\n"),
            ("192.0.2.7", "192.0.2.7:4711"),
            ("192.0.2.7", "::ffff:192.0.2.7"),
            ("192.0.2.7", "::FFFF:c000:207"),
            ("2001:db8::1", "2001:0DB8:0:0::0001"),
            ("2001:db8::1", "[2001:db8::1]:443"),
            ("2001:db8::1", "2001:db8::ffff:2"),
            ("not an address", "Not an address "),
        ] {
            assert_eq!(ClientKey::of(one), ClientKey::of(other), "{one} and {other}");
            assert_eq!(network_of(one), network_of(other), "{one} and {other}");
        }
    }

    #[test]
    fn other_addresses_are_other_clients() {
        let clients = [
            "192.0.2.7",
            "192.0.2.8",
            "2001:db8::1",
            "2001:db8:0:1::1",
            "",
            "x",
            "192.0.2.07",
            "1.2.3.4, 5.6.7.8",
        ];
        for (index, one) in clients.iter().enumerate() {
            for other in &clients[index + 1..] {
                assert_ne!(ClientKey::of(one), ClientKey::of(other), "{one} and {other}");
            }
        }
    }

    #[test]
    fn networks_are_wider_than_clients() {
        for (client, network) in [
            ("192.0.2.7", "192.0.2.0/24"),
            ("192.0.2.255", "192.0.2.0/24"),
            ("::ffff:192.0.2.1", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(network_of(client).to_string(), network);
        }
    }

    #[test]
    fn all_nonsense_is_one_network() {
        let long = "9".repeat(1 << 20);
        for client in
            ["", " ", "localhost", "192.0.2.256", "192.0.2", "0x7f.1", "2001:db8::1::2", "\0", &long]
        {
            assert_eq!(network_of(client), ClientNetwork::Unknown);
        }
        assert_eq!(network_of("x").to_string(), "unknown");
    }
}
