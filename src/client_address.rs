//! A client's address in its one canonical form. It is made where a request comes in; everything that stores, compares,
//! limits, logs or shows an address works with this type, so the same address in two spellings is one client.
//!
//! - An IPv4 address inside an IPv6 one is that IPv4 address: IPv4-mapped (`::ffff:0:0/96`), NAT64 (`64:ff9b::/96`,
//!   RFC 6052) and Teredo (`2001::/32`, RFC 4380), where the client's own address is stored inverted.
//! - IPv6 is written as RFC 5952 says: lower case, the longest run of zeros left out.
//! - What is no address is kept as it came. It counts as unknown wherever a network is asked for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest zone (`%eth0`) of an IPv6 address.
const ZONE_BYTES_MAX: usize = 64;

/// Bits of the network that shares limits of its own for what is expensive, IPv4 and IPv6. A provider gives a customer
/// up to 2^16 IPv6 networks of 64 bits.
const CUSTOMER_BITS: (u8, u8) = (24, 48);
/// Bits of the network that failed logins are counted under.
const NETWORK_BITS: (u8, u8) = (24, 64);
/// Bits of what counts as one client. Behind one IPv6 customer line there are 2^64 addresses to choose from, so there
/// the network counts and not the address.
const CLIENT_BITS: (u8, u8) = (32, 64);

/// Where a request comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(SettingKind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum SettingKind {
    V4(Ipv4Addr),
    V6(Ipv6Addr, Option<String>),
    /// Not an address, but still the same text for the same client, one may hope.
    Opaque(String),
}

impl ClientAddress {
    /// The address of nobody in particular.
    #[must_use]
    pub const fn unknown() -> Self {
        Self(SettingKind::Opaque(String::new()))
    }

    /// Takes an address as a frontend sends it. Blanks around it are dropped, and so is a port behind it, since some
    /// proxies add it and it changes with every connection.
    #[must_use]
    pub fn from_frontend(text: &str) -> Self {
        let trimmed = text.trim();
        let bare = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(trimmed);
        Self::parse(bare)
            .or_else(|| trimmed.parse::<SocketAddr>().ok().map(|with_port| with_port.ip().into()))
            .unwrap_or_else(|| Self(SettingKind::Opaque(text.to_owned())))
    }

    /// Reads an address that stands alone: no blanks, no port. An IPv6 address may name a zone.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some((address, zone)) = text.split_once('%') else {
            return Some(text.parse::<IpAddr>().ok()?.into());
        };
        let is_zone = (1..=ZONE_BYTES_MAX).contains(&zone.len())
            && !zone.chars().any(|c| c == '%' || c.is_control() || c.is_whitespace());
        match Self::from(IpAddr::V6(address.parse().ok()?)).0 {
            _ if !is_zone => None,
            SettingKind::V6(address, _) => Some(Self(SettingKind::V6(address, Some(zone.to_owned())))),
            // Only an IPv6 address has a zone.
            embedded => Some(Self(embedded)),
        }
    }

    /// The canonical form of a text that may be an address; any other text as it is.
    #[must_use]
    pub fn canonical(text: String) -> String {
        // Of an IPv4 address there is one spelling. What looks like one and is none stays as it is.
        if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.')) {
            return text;
        }
        Self::parse(&text).map_or(text, |address| address.to_string())
    }

    /// The network that failed logins are counted under: wide enough that a guesser does not get around it by taking
    /// the neighbouring address.
    #[must_use]
    pub fn network(&self) -> ClientNetwork {
        self.within(NETWORK_BITS)
    }

    /// The network that one customer of a provider has: who fills it takes no more than its share of what is scarce.
    #[must_use]
    pub fn customer_network(&self) -> ClientNetwork {
        self.within(CUSTOMER_BITS)
    }

    /// What counts as one client for rate limits.
    #[must_use]
    pub fn limit_key(&self) -> LimitKey {
        match (self.within(CLIENT_BITS), &self.0) {
            (ClientNetwork::Unknown, SettingKind::Opaque(text)) => {
                LimitKey::Opaque(text.trim().to_lowercase())
            }
            (network, _) => LimitKey::Network(network),
        }
    }

    fn within(&self, (v4_bits, v6_bits): (u8, u8)) -> ClientNetwork {
        match &self.0 {
            SettingKind::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(v4_bits)).unwrap_or(0);
                let first = Ipv4Addr::from_bits(address.to_bits() & mask);
                ClientNetwork::Known { first: first.into(), bits: v4_bits }
            }
            SettingKind::V6(address, _) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(v6_bits)).unwrap_or(0);
                let first = Ipv6Addr::from_bits(address.to_bits() & mask);
                ClientNetwork::Known { first: first.into(), bits: v6_bits }
            }
            SettingKind::Opaque(_) => ClientNetwork::Unknown,
        }
    }
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(address) => SettingKind::V4(address),
            IpAddr::V6(address) => match embedded_v4(address) {
                Some(embedded) => SettingKind::V4(embedded),
                None => SettingKind::V6(address, None),
            },
        })
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SettingKind::V4(address) => write_v4(*address, out),
            SettingKind::V6(address, None) => address.fmt(out),
            SettingKind::V6(address, Some(zone)) => write!(out, "{address}%{zone}"),
            SettingKind::Opaque(text) => out.write_str(text),
        }
    }
}

/// Without the padding that the standard library's own writing is ready for: each request has an address written several times.
fn write_v4(address: Ipv4Addr, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (mut digits, mut bytes) = ([0; "255.255.255.255".len()], 0);
    let mut push = |digit| {
        digits[bytes] = digit;
        bytes += 1;
    };
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            push(b'.');
        }
        if octet >= 100 {
            push(b'0' + octet / 100);
        }
        if octet >= 10 {
            push(b'0' + octet / 10 % 10);
        }
        push(b'0' + octet % 10);
    }
    out.pad(std::str::from_utf8(&digits[..bytes]).unwrap_or_default())
}

/// A network that an address lies in. It is written as `192.0.2.0/24`, `2001:db8::/64` or `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientNetwork {
    /// A network.
    Known {
        /// Its first address.
        first: IpAddr,
        /// How many of the first bits all its addresses share.
        bits: u8,
    },
    /// All clients whose address can't be read, together: who sends nonsense gets no share of their own for it.
    Unknown,
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known { first, bits } => write!(out, "{first}/{bits}"),
            Self::Unknown => out.write_str("unknown"),
        }
    }
}

/// Who is counted as one by the rate limits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// A client, or the network it may choose its address from.
    Network(ClientNetwork),
    /// A text that is no address.
    Opaque(String),
}

/// The IPv4 address that an IPv6 address stands for.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let [.., high, low] = segments;
    let last = Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(last),
        [0x2001, 0, ..] => Some(Ipv4Addr::from_bits(!last.to_bits())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses, and the one form they have.
    const FORMS: &[(&str, &str)] = &[
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:c000:207", "192.0.2.7"),
        ("0:0:0:0:0:ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7%eth0", "192.0.2.7"),
        ("64:ff9b::192.0.2.7", "192.0.2.7"),
        ("0064:FF9B::c000:207", "192.0.2.7"),
        // The client behind this Teredo address is 192.0.2.45 (RFC 4380, section 4).
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"),
        ("2001::3fff:fdf8", "192.0.2.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:0db8:0:0:0:0:0:0001", "2001:db8::1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "255.255.255.254"),
        ("1:0:0:1:0:0:0:1", "1:0:0:1::1"),
        ("1:0:0:1:1:0:0:1", "1::1:1:0:0:1"),
        ("FE80::1%eth0", "fe80::1%eth0"),
        ("::", "::"),
        ("::1", "::1"),
        ("64:ff9b:1::192.0.2.7", "64:ff9b:1::c000:207"),
        ("2002:c000:207::1", "2002:c000:207::1"),
    ];

    #[test]
    fn every_spelling_has_one_form() {
        for (text, form) in FORMS {
            let address = ClientAddress::parse(text).unwrap_or_else(|| panic!("{text} is an address"));
            assert_eq!(address.to_string(), *form, "{text}");
            assert_eq!(ClientAddress::parse(form), Some(address), "{text}");
            assert_eq!(ClientAddress::canonical((*text).to_owned()), *form);
        }
    }

    #[test]
    fn an_ipv4_address_is_written_as_the_standard_library_writes_it() {
        for octet in 0..=u8::MAX {
            let address = Ipv4Addr::new(octet, octet / 2, 255 - octet, octet % 10);
            let ours = ClientAddress::from(IpAddr::V4(address));
            assert_eq!(format!("{ours:>16}"), format!("{address:>16}"));
        }
    }

    #[test]
    fn one_address_is_one_client_however_a_frontend_spells_it() {
        for (one, other) in [
            ("192.0.2.7", " 192.0.2.7\n"),
            ("192.0.2.7", "192.0.2.7:4711"),
            ("192.0.2.7", "[::ffff:192.0.2.7]:4711"),
            ("192.0.2.7", "[64:ff9b::c000:207]"),
            ("192.0.2.7", "2001:0:1:2:3:4:3fff:fdf8"),
            ("2001:db8::1", "[2001:DB8::1]:443"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("fe80::1%1", "fe80::1%1"),
        ] {
            let addresses = [one, other].map(ClientAddress::from_frontend);
            assert_eq!(addresses[0], addresses[1], "{one} and {other}");
            assert_ne!(addresses[0].network(), ClientNetwork::Unknown, "{one}");
        }
    }

    #[test]
    fn what_is_no_address_is_kept_and_unknown() {
        let long = "9".repeat(1 << 20);
        for text in [
            "",
            " ",
            "localhost",
            "192.0.2.256",
            "192.0.2",
            "192.0.2.07",
            "1.2.3.4, 5.6.7.8",
            "192.0.2.7%eth0",
            "0x7f.1",
            "2001:db8::1::2",
            "fe80::1%",
            "fe80::1%a%b",
            "fe80::1%a b",
            "10.0.0.0/8",
            "\0",
            &long,
        ] {
            assert_eq!(ClientAddress::parse(text), None, "{text}");
            let address = ClientAddress::from_frontend(text);
            assert_eq!(address.network(), ClientNetwork::Unknown, "{text}");
            assert_eq!(address.customer_network(), ClientNetwork::Unknown, "{text}");
            assert_eq!(address.to_string(), text);
            assert_eq!(ClientAddress::canonical(text.to_owned()), text);
        }
        assert_eq!(ClientNetwork::Unknown.to_string(), "unknown");
        for spaced in [" 192.0.2.7", "192.0.2.7 ", "192.0.2.7:80", "[::1]"] {
            assert_eq!(ClientAddress::parse(spaced), None, "{spaced}");
        }
    }

    #[test]
    fn networks_are_as_wide_as_their_use_asks() {
        for (client, network, customer) in [
            ("192.0.2.7", "192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.255", "192.0.2.0/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.1", "192.0.2.0/24", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
            ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
            ("::1", "::/64", "::/48"),
        ] {
            let address = ClientAddress::from_frontend(client);
            assert_eq!(address.network().to_string(), network);
            assert_eq!(address.customer_network().to_string(), customer);
        }
    }

    #[test]
    fn limits_tell_clients_apart() {
        let key = |text| ClientAddress::from_frontend(text).limit_key();
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:2"));
        assert_eq!(key("not an address"), key("Not an address "));
        let clients =
            ["192.0.2.7", "192.0.2.8", "2001:db8::1", "2001:db8:0:1::1", "", "x", "1.2.3.4, 5.6.7.8"];
        for (index, one) in clients.iter().enumerate() {
            for other in &clients[index + 1..] {
                assert_ne!(key(one), key(other), "{one} and {other}");
            }
        }
    }
}
