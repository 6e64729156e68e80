//! Where a host is. `localhost` and the names below it are this machine, whatever it knows of names (RFC 6761, section 6.3):
//! an image with nothing but the program has no `/etc/hosts`, and musl would ask a DNS server that is not there. All other
//! names are the C library's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

/// In the order in which they are tried; our own server, and most others, listen on the first.
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// The addresses of a host, which is a name or an address itself.
///
/// # Errors
/// There is none, or nobody can say.
#[expect(clippy::disallowed_methods, reason = "here names are resolved")]
pub fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if is_localhost(host) {
        return Ok(LOOPBACK.map(|address| SocketAddr::new(address, port)).to_vec());
    }
    (host, port).to_socket_addrs().map(Iterator::collect)
}

/// A web client that finds hosts the same way.
#[must_use]
pub fn agent(config: Config) -> Agent {
    Agent::with_parts(config, DefaultConnector::default(), Names(DefaultResolver::default()))
}

fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or(host);
    last.eq_ignore_ascii_case("localhost")
}

#[derive(Debug)]
struct Names(DefaultResolver);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let Some(port) = local_port(uri) else { return self.0.resolve(uri, config, timeout) };
        let mut found = self.empty();
        for address in LOOPBACK {
            found.push(SocketAddr::new(address, port));
        }
        Ok(found)
    }
}

/// The port of a server on `localhost`.
fn local_port(uri: &Uri) -> Option<u16> {
    let authority = uri.authority().filter(|authority| is_localhost(authority.host()))?;
    authority.port_u16().or_else(|| match uri.scheme_str()? {
        "http" => Some(80),
        "https" => Some(443),
        // A proxy without a port is ureq's to place.
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_this_machine_and_what_only_looks_like_it_is_not() {
        for name in ["localhost", "LocalHost", "localhost.", "mail.localhost"] {
            assert!(is_localhost(name), "{name}");
        }
        for name in ["", ".", "localhost.example", "notlocalhost", "localhost..", "127.0.0.1", "::1"] {
            assert!(!is_localhost(name), "{name}");
        }
        let found = addresses("localhost", 25).expect("needs nobody");
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.1:25", "[::1]:25"]);
        assert_eq!(
            addresses("192.0.2.1", 25).expect("an address"),
            ["192.0.2.1:25".parse().expect("an address")]
        );
    }

    #[test]
    fn a_url_on_localhost_has_the_port_of_its_scheme() {
        for (url, expected) in [
            ("http://localhost/x", Some(80)),
            ("https://localhost", Some(443)),
            ("http://user@localhost:8080/x", Some(8080)),
            ("http://localhost.example:8080", None),
            ("http://[::1]:8080", None),
        ] {
            assert_eq!(local_port(&url.parse().expect("a URL")), expected, "{url}");
        }
    }
}
