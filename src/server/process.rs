//! What the server takes from its environment besides settings, read once at the start.

use crate::config::{EXTRA_ROOTS_VARIABLE, Environment, as_meant};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Whether log lines go to systemd's journal, which stamps each one itself.
    pub logs_to_journal: bool,
    /// The file of certificates that the operator trusts beside the built-in ones.
    pub extra_roots_file: Option<PathBuf>,
    /// How many listening sockets systemd handed over.
    pub sockets: usize,
    /// Where systemd wants to be told how the server is.
    pub notify_socket: Option<OsString>,
    /// How long systemd waits to be told that the server is alive.
    pub watchdog: Option<Duration>,
    /// Where systemd puts credentials.
    credentials: Option<PathBuf>,
}

impl Process {
    /// Reads the environment.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        let variable = |name: &str| environment.variables.get(OsStr::new(name));
        let not_empty = |name: &str| variable(name).filter(|text| !text.is_empty());
        let path = |text: &OsString| text.to_str().map_or_else(|| text.into(), |text| as_meant(text).into());
        let number = |name: &str| variable(name)?.to_str()?.parse::<u32>().ok();
        // They may be meant for a process that has started this one.
        let is_for_us = number("LISTEN_PID") == Some(std::process::id());
        let sockets = number("LISTEN_FDS").filter(|_| is_for_us).unwrap_or(0);
        let notify_socket = not_empty("NOTIFY_SOCKET").cloned();
        let watched =
            variable("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(std::process::id());
        let micros =
            number("WATCHDOG_USEC").filter(|micros| *micros > 0 && watched && notify_socket.is_some());
        Self {
            watchdog: micros.map(|micros| Duration::from_micros(micros.into())),
            notify_socket,
            sockets: usize::try_from(sockets).unwrap_or(usize::MAX),
            logs_to_journal: variable("JOURNAL_STREAM").is_some(),
            extra_roots_file: not_empty(EXTRA_ROOTS_VARIABLE).map(path),
            credentials: not_empty("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }

    /// Whether systemd handed this file over: nobody else sees it then, whatever its mode says.
    #[must_use]
    pub fn is_credential(&self, file: &Path) -> bool {
        self.credentials.as_ref().is_some_and(|directory| file.starts_with(directory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(variables: &[(&str, &str)]) -> Process {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Process::new(&Environment { arguments: vec![], variables, directory: "/".into() })
    }

    #[test]
    fn an_empty_environment_says_nothing_and_so_does_an_empty_variable() {
        for nothing in [process(&[]), process(&[("SSL_CERT_FILE", ""), ("CREDENTIALS_DIRECTORY", "")])] {
            assert!(!nothing.logs_to_journal && nothing.extra_roots_file.is_none());
            assert!(!nothing.is_credential(Path::new("/key")));
        }
    }

    #[test]
    fn what_systemd_and_the_operator_say_is_taken() {
        let process = process(&[
            ("JOURNAL_STREAM", "8:1"),
            ("SSL_CERT_FILE", "\"/etc/roots.pem\""),
            ("CREDENTIALS_DIRECTORY", "/run/credentials/x"),
        ]);
        assert!(process.logs_to_journal);
        assert_eq!(process.extra_roots_file.as_deref(), Some(Path::new("/etc/roots.pem")));
        assert!(process.watchdog.is_none() && process.notify_socket.is_none());
        assert!(process.is_credential(Path::new("/run/credentials/x/key")));
        assert!(!process.is_credential(Path::new("/run/credentials/xy")));
    }

    #[test]
    fn a_watchdog_is_fed_where_it_is_this_process_that_is_watched() {
        let socket = ("NOTIFY_SOCKET", "/run/systemd/notify");
        let watched = |more: &[(&str, &str)]| {
            process(&[&[socket, ("WATCHDOG_USEC", "30000000")], more].concat()).watchdog
        };
        let me = std::process::id().to_string();
        assert_eq!(watched(&[]), Some(Duration::from_secs(30)));
        assert_eq!(watched(&[("WATCHDOG_PID", &me)]), Some(Duration::from_secs(30)));
        assert_eq!(watched(&[("WATCHDOG_PID", "1")]), None);
        assert_eq!(process(&[socket, ("WATCHDOG_USEC", "0")]).watchdog, None);
        assert_eq!(process(&[("WATCHDOG_USEC", "30000000")]).watchdog, None);
    }
}
