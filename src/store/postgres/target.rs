//! Where a database is, and how to get there: what a URL says.

use crate::guard::secret::Secret;
use crate::problem::Problem;
use std::path::PathBuf;
use std::time::Duration;

/// The beginnings of URLs that mean PostgreSQL.
const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];
/// The port, unless the URL names one.
const PORT: u16 = 5432;
/// Hosts that a URL may name.
const HOSTS_MAX: usize = 16;
/// Connections, unless the URL says how many.
const CONNECTIONS: usize = 16;
/// Connections that a URL may ask for.
const CONNECTIONS_MAX: usize = 500;
/// How long a whole answer may take: longer than a statement may.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// A place where a server may be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// A name or an address, and a port.
    Tcp(String, u16),
    /// The socket of a server on this machine.
    Unix(PathBuf),
}

/// What a URL says.
#[derive(Clone)]
pub struct Target {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) password: Option<Secret<String>>,
    pub(super) database: String,
    /// Whether the server proves itself by a certificate; else all hosts are on this machine.
    pub(super) is_verified: bool,
    /// Certificates to trust, in place of the built-in ones.
    pub(super) roots: Option<PathBuf>,
    /// The schema that the tables are in, unless it is the usual one.
    pub(super) schema: Option<String>,
    /// How many connections there are at most.
    pub(super) connections: usize,
    /// How long a whole answer may take.
    pub(super) answer_limit: Duration,
}

impl Target {
    /// Whether a text is the URL of a PostgreSQL.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("postgres")
    }

    /// Reads a URL: `postgresql://user:password@host1:port,host2/database?sslmode=verify-full`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without a secret.
    pub fn parse(url: &str) -> Result<Self, Problem> {
        let rest = SCHEMES
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme))
            .ok_or("a URL that begins with postgresql://, without the name of a driver")?;
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) =
            login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
        let mut target = Self {
            hosts: hosts.split(',').filter(|host| !host.is_empty()).map(host).collect::<Result<_, _>>()?,
            user: decoded(user)?,
            password: password
                .filter(|text| !text.is_empty())
                .map(|text| decoded(text).map(Secret::new))
                .transpose()?,
            database: decoded(database)?,
            is_verified: true,
            roots: None,
            schema: None,
            connections: CONNECTIONS,
            answer_limit: ANSWER_LIMIT,
        };
        options.split('&').filter(|option| !option.is_empty()).try_for_each(|option| target.set(option))?;
        target.check()?;
        Ok(target)
    }

    /// Whether it says a password.
    pub(crate) const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    fn set(&mut self, option: &str) -> Result<(), Problem> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = decoded(value)?;
        match (name, value.as_str()) {
            ("host", directory) if directory.starts_with('/') => self.hosts.push(host(directory)?),
            ("sslmode", "verify-full") => self.is_verified = true,
            ("sslmode", "disable") => self.is_verified = false,
            ("sslmode", _) => {
                return Err(
                    "a URL with sslmode=verify-full, or with sslmode=disable for a server on this machine"
                        .into(),
                );
            }
            ("sslrootcert", "" | "system") => self.roots = None,
            ("sslrootcert", path) => self.roots = Some(path.into()),
            // There is no other way to use a database here.
            ("target_session_attrs", "read-write" | "primary") => {}
            ("search_path", schema) if is_name(schema) => self.schema = Some(value),
            ("search_path", _) => {
                return Err(
                    "a URL whose search_path is one schema, of small letters, digits and underscores".into(),
                );
            }
            ("max_connections", number) => {
                let number = number.parse().ok().filter(|number| (2..=CONNECTIONS_MAX).contains(number));
                self.connections = number.ok_or("a URL whose max_connections is a number from 2 to 500")?;
            }
            _ => {
                // Its name is not repeated: behind a question mark in a password that is not encoded comes a part of that.
                return Err(
                    "a URL with no option but sslmode, sslrootcert, host, search_path, target_session_attrs=read-write and \
                     max_connections, and with %3F for a question mark elsewhere"
                        .into(),
                );
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Problem> {
        if self.hosts.is_empty() || self.hosts.len() > HOSTS_MAX {
            return Err("a URL that names a host, or up to 16 with commas between".into());
        }
        if self.user.is_empty() || self.database.is_empty() {
            return Err("a URL that names a user and a database: postgresql://user@host/database".into());
        }
        let is_elsewhere = |host: &Host| match host {
            Host::Tcp(name, _) => {
                name != "localhost" && !name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
            }
            Host::Unix(_) => false,
        };
        if !self.is_verified && self.hosts.iter().any(is_elsewhere) {
            return Err(
                "a URL with sslmode=verify-full, for sslmode=disable is for a server on this machine alone"
                    .into(),
            );
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !text.starts_with(|first: char| first.is_ascii_digit())
        // These are the server's own, or end with the connection.
        && !text.starts_with("pg_")
}

fn host(text: &str) -> Result<Host, Problem> {
    let text = decoded(text)?;
    if text.starts_with('/') {
        let path = if text.contains("/.s.PGSQL.") { text } else { format!("{text}/.s.PGSQL.{PORT}") };
        return Ok(Host::Unix(path.into()));
    }
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':')),
        None => text.split_once(':').map_or((text.as_str(), None), |(name, port)| (name, Some(port))),
    };
    let port = port.map_or(Some(PORT), |port| port.parse().ok().filter(|port| *port != 0));
    let is_host =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
    match port {
        Some(port) if is_host => Ok(Host::Tcp(name.to_owned(), port)),
        _ => {
            Err("a URL whose hosts are names or addresses, each with a port after a colon if need be".into())
        }
    }
}

/// A part of a URL, without its percent signs.
fn decoded(text: &str) -> Result<String, Problem> {
    const WRONG: &str =
        "a URL in which a percent sign stands for two hexadecimal digits, and that has no control characters";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(WRONG);
                (u8::try_from(digit(*high)? * 16 + digit(*low)?).map_err(|_| WRONG)?, after)
            }
            (b'%', _) => return Err(WRONG.into()),
            _ => (*first, after),
        };
        if byte < 0x20 {
            return Err(WRONG.into());
        }
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| WRONG.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_as_whom() {
        let target = Target::parse(
            "postgresql://me:p%40ss@db1,db2:6432,[2001:db8::1]:7/my%20db?sslmode=verify-full&max_connections=4",
        );
        let target = target.unwrap_or_else(|problem| panic!("{problem}"));
        let hosts = [("db1", 5432), ("db2", 6432), ("2001:db8::1", 7)];
        assert_eq!(target.hosts, hosts.map(|(name, port)| Host::Tcp(name.to_owned(), port)));
        assert_eq!((target.user.as_str(), target.database.as_str(), target.connections), ("me", "my db", 4));
        assert_eq!(target.password.map(|password| password.expose().clone()).as_deref(), Some("p@ss"));
        assert!(target.is_verified, "a certificate is asked for unless told otherwise");
        let local = Target::parse("postgresql://me@/db?host=/run/postgresql&sslmode=disable&search_path=a_1");
        let local = local.unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(local.hosts, [Host::Unix("/run/postgresql/.s.PGSQL.5432".into())]);
        assert_eq!(local.schema.as_deref(), Some("a_1"));
    }

    #[test]
    fn what_is_unsafe_or_unknown_is_refused_without_the_password() {
        for url in [
            "postgresql+psycopg2://me:hidden@localhost/db?sslmode=disable",
            "postgresql://me:hidden@db.example.org/db?sslmode=disable",
            "postgresql://me:hidden@localhost,10.0.0.1/db?sslmode=disable",
            "postgresql://me:hidden@db/db?sslmode=require",
            "postgresql://me:hidden@db/db?sslmode=prefer",
            "postgresql://me:hidden@db/db?target_session_attrs=any",
            "postgresql://me:hidden@db/db?options=-c",
            "postgresql://me:hidden@db/db?search_path=a,b",
            "postgresql://me:hidden@db/db?search_path=\"a\"",
            "postgresql://me:hidden@db/db?search_path=pg_temp",
            "postgresql://me:hidden@db/db?max_connections=1",
            "postgresql://me:hidden@db/",
            "postgresql://:hidden@db/db",
            "postgresql://me:hidden@/db",
            "postgresql://me:hidden@db:0/db",
            "postgresql://me:hidden@db:port/db",
            "postgresql://me:hidden@a b/db",
            "postgresql://me:hidden%0a@db/db",
            "postgresql://me:hidden%@db/db",
            "postgresql://me:hidden%zz@db/db",
            "postgresql://me:hidden%ff@db/db",
            "postgresql://me:5?hidden@db/db",
            "postgresql://me:5?hidden=a&b@db/db",
            "postgresql://me:hidden/hidden@db/db",
            "postgresql://me:hidden",
            "postgresql://me@db/db?hidden",
            "postgresql://me@db/db?password=hidden",
        ] {
            let problem = Target::parse(url).map(|_| url).expect_err(url).to_string();
            assert!(!problem.contains("hidden"), "{problem}");
        }
    }
}
