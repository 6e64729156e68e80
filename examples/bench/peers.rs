//! Other servers that look sessions up in SQLite, asked by the same load in the same rounds: better-auth, where it is installed,
//! and the Python authnzerver, where its program is named.

use crate::client;
use crate::load::{Measured, Requests, measure};
use crate::scenarios::{MESSAGES_MAX, SESSION_EXISTS, message};
use crate::server::{Address, Base, Process, free_port};
use crate::{Options, Outcome};
use rusqlite::{Connection, params};
use serde_json::json;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long one may take to start and to make its sessions.
const START_TIME_MAX: Duration = Duration::from_secs(120);
/// Enough of the public suffixes to start with; the Python authnzerver would fetch all of them.
const PUBLIC_SUFFIXES: &str = ".com\n.net\n.org\n";
/// Where nobody listens: what it would ask on the Internet fails at once.
const NOBODY: &str = "http://127.0.0.1:9";

/// One that runs.
pub struct Peer<'base> {
    /// What it is called in the report.
    pub name: &'static str,
    process: Process,
    address: Address<'base>,
    requests: Requests,
}

/// Those that are there, and why others are not.
pub struct Peers<'base> {
    /// Running.
    pub running: Vec<Peer<'base>>,
    /// A line for each that is left out.
    pub left_out: Vec<String>,
}

impl<'base> Peers<'base> {
    /// Nobody, without a word.
    pub const fn none() -> Self {
        Self { running: Vec::new(), left_out: Vec::new() }
    }

    /// Starts those that are there.
    pub fn start(base: &'base Base, options: &Options) -> Outcome<Self> {
        let mut peers = Self::none();
        for started in [better_auth(base, options), original(base, options)] {
            match started {
                Ok(Found::Running(peer)) => peers.running.push(peer),
                Ok(Found::Missing(why)) => peers.left_out.push(why),
                Err(reason) => return Err(reason),
            }
        }
        Ok(peers)
    }
}

impl Peer<'_> {
    /// As for the server.
    pub fn measure(&self, connections: usize, time: Duration) -> Outcome<Measured> {
        measure(&self.process, self.address, &self.requests, connections, time)
            .map_err(|reason| format!("{}: {reason}", self.name))
    }
}

impl Drop for Peer<'_> {
    fn drop(&mut self) {
        // With the processes that it has started. What has ended already needs no more.
        let all = format!("kill -KILL -{}", self.process.id());
        let _ = Command::new("sh").args(["-c", &all]).stderr(Stdio::null()).status();
    }
}

enum Found<'base> {
    Running(Peer<'base>),
    Missing(String),
}

fn better_auth<'base>(base: &'base Base, options: &Options) -> Outcome<Found<'base>> {
    let name = "better-auth";
    let program = options.peers.join(name).join("server.mjs");
    if !program.is_file() {
        return Ok(Found::Missing(format!(
            "{name}: it is not installed (`make bench` does, where there is npm)"
        )));
    }
    let (port, folder) = (free_port()?, folder(base, name)?);
    let cookies = folder.join("cookies");
    let mut command = Command::new("node");
    command.arg(program).arg(folder.join("auth.sqlite")).arg(options.rows.to_string());
    command.arg(MESSAGES_MAX.to_string()).arg(&cookies).arg(port.to_string()).env("NODE_ENV", "production");
    let Ok(process) = Process::start(command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()))
    else {
        return Ok(Found::Missing(format!("{name}: there is no node")));
    };
    let mut peer = new_peer(name, process, base, port);
    peer.process.until_it_listens(port, START_TIME_MAX).map_err(|reason| format!("{name}: {reason}"))?;
    let cookies = fs::read_to_string(&cookies).map_err(|error| format!("{name}: its cookies: {error}"))?;
    let requests = cookies.lines().map(|cookie| client::get("/api/auth/get-session", Some(cookie)));
    peer.requests = Requests::plain(requests, |_, answer| {
        // Of a session that is none, it says null.
        let text = String::from_utf8_lossy(answer);
        if text.contains(r#""user":{"#) { Ok(()) } else { Err(format!("it found no session: {text}")) }
    });
    Ok(Found::Running(peer))
}

fn original<'base>(base: &'base Base, options: &Options) -> Outcome<Found<'base>> {
    let name = "Python authnzerver";
    let Some(program) = &options.original else {
        return Ok(Found::Missing(format!(
            "{name}: its program is not named (`--original=/path/to/authnzrv`)"
        )));
    };
    let (port, folder) = (free_port()?, folder(base, "original")?);
    let database = folder.join("auth.sqlite");
    let cache = folder.join(".cache/authnzerver");
    fs::create_dir_all(&cache)
        .and_then(|()| fs::write(cache.join("public-suffixes.txt"), PUBLIC_SUFFIXES))
        .map_err(|error| format!("{}: {error}", cache.display()))?;
    let mut command = Command::new(program);
    command.current_dir(&folder).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.env("HOME", &folder).env("HTTP_PROXY", NOBODY).env("HTTPS_PROXY", NOBODY).env("LANG", "C.UTF-8");
    for (setting, value) in [
        ("AUTHDB", format!("sqlite:///{}", database.display())),
        ("BASEDIR", folder.display().to_string()),
        ("SECRET", base.seal().key().to_owned()),
        ("PIISALT", "bench".to_owned()),
        ("LISTEN", "127.0.0.1".to_owned()),
        ("PORT", port.to_string()),
        ("WORKERS", options.workers.to_string()),
        ("RATELIMITS", "none".to_owned()),
        ("EMAILSERVER", "127.0.0.1".to_owned()),
        ("EMAILPORT", "9".to_owned()),
        ("EMAILSENDER", "bench@example.org".to_owned()),
        ("ADMIN_EMAIL", "root@example.org".to_owned()),
        ("ADMIN_PASSWORD", "the-first-administrators-passphrase".to_owned()),
    ] {
        command.env(format!("AUTHNZERVER_{setting}"), value);
    }
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut peer = new_peer(name, Process::start(&mut command)?, base, port);
    peer.process.until_it_listens(port, START_TIME_MAX).map_err(|reason| format!("{name}: {reason}"))?;
    let tokens = python_sessions(&database, options.rows)
        .map_err(|error| format!("{name}: cannot make its sessions: {error}"))?;
    let step = tokens.len().div_ceil(MESSAGES_MAX).max(1);
    let ask = |token: &String| base.seal().seal(&message(SESSION_EXISTS, &json!({ "session_token": token })));
    peer.requests = Requests::new("/", tokens.iter().step_by(step).map(|token| (ask(token), true)));
    Ok(Found::Running(peer))
}

/// Sessions of its anonymous user, as it would have made them, and their tokens.
fn python_sessions(database: &Path, rows: usize) -> rusqlite::Result<Vec<String>> {
    let mut connection = Connection::open(database)?;
    connection.busy_timeout(START_TIME_MAX)?;
    let transaction = connection.transaction()?;
    let token = || std::iter::repeat_with(fastrand::alphanumeric).take(43).collect();
    let tokens: Vec<String> = std::iter::repeat_with(token).take(rows).collect();
    {
        let mut insert = transaction.prepare(
            "INSERT INTO sessions (session_token, ip_address, user_agent, user_id, created, expires)
             VALUES (?1, '127.0.0.1', 'bench', 2, '2026-01-01 00:00:00.000001', '2099-12-31 23:59:59.000001')",
        )?;
        for token in &tokens {
            insert.execute(params![token])?;
        }
    }
    transaction.commit()?;
    Ok(tokens)
}

fn new_peer<'base>(name: &'static str, process: Process, base: &'base Base, port: u16) -> Peer<'base> {
    let address = Address { port, seal: base.seal(), tls: None };
    Peer { name, process, address, requests: Requests::new("/", []) }
}

fn folder(base: &Base, name: &str) -> Outcome<PathBuf> {
    let folder = base.folder().join(name);
    fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}
