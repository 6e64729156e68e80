//! The server under test: a process of the release binary on a free port, and the folder that it lives in,
//! which outlasts the process, so that the same database can be served again.

use crate::client::Client;
use crate::load::{Measured, Requests, measure};
use crate::seal::Seal;
use crate::tls::Tls;
use crate::{Options, Outcome, now, wait};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a start and a stop may take before the benchmark gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// What the server's own setting is where nobody sets it.
const CONNECTIONS_MAX: usize = 2048;
/// How much of the server's log is shown when it does not start.
const LOG_LINES_SHOWN: usize = 20;

/// A folder with a database and a key, removed at the end.
pub struct Base {
    binary: PathBuf,
    workers: usize,
    folder: PathBuf,
    seal: Seal,
    tls: Option<Tls>,
}

/// A running server, killed when dropped.
pub struct Server<'base> {
    process: Process,
    /// Where to reach it.
    pub address: Address<'base>,
    /// From the start of the process to its first answer.
    pub start_time: Duration,
}

/// A process that is measured, killed when dropped.
pub struct Process(Child);

/// Where a server listens on the loopback interface, and the key to talk to it.
#[derive(Clone, Copy)]
pub struct Address<'base> {
    /// The port.
    pub port: u16,
    /// Seals with the key.
    pub seal: &'base Seal,
    /// What it takes to speak TLS, if the server does.
    pub tls: Option<&'base Tls>,
}

impl Base {
    /// An empty folder for servers as `options` ask for.
    pub fn new(options: &Options) -> Outcome<Self> {
        let binary = &options.binary;
        let binary = binary
            .canonicalize()
            .map_err(|error| format!("{}: {error} (`make bench` builds it)", binary.display()))?;
        let folder = std::env::temp_dir().join(format!("authnzerver-bench-{}", std::process::id()));
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let tls = options.tls.then(|| Tls::new(&folder)).transpose();
        let tls = tls.inspect_err(|_| drop(fs::remove_dir_all(&folder)))?;
        Ok(Self { binary, workers: options.workers, folder, seal: Seal::random(), tls })
    }

    /// Starts a server and waits until it answers.
    pub fn start(&self) -> Outcome<Server<'_>> {
        self.start_for(CONNECTIONS_MAX)
    }

    /// The same, for so many connections.
    pub fn start_for(&self, connections_max: usize) -> Outcome<Server<'_>> {
        let port = free_port()?;
        let log = self.log()?;
        let begun = now();
        let mut command = Command::new(&self.binary);
        command
            .arg(format!("--basedir={}", self.folder.display()))
            .current_dir(&self.folder)
            .env_clear()
            .env("LOGNAME", "bench")
            .env("AUTHNZERVER_AUTHDB", format!("sqlite:///{}", self.database().display()))
            .env("AUTHNZERVER_SECRET", self.seal.key())
            .env("AUTHNZERVER_PIISALT", "bench")
            .env("AUTHNZERVER_LISTEN", "127.0.0.1")
            .env("AUTHNZERVER_PORT", port.to_string())
            .env("AUTHNZERVER_WORKERS", self.workers.to_string())
            .env("AUTHNZERVER_CONNECTIONSMAX", connections_max.to_string())
            .env("AUTHNZERVER_RATELIMITS", "none")
            .env("AUTHNZERVER_DEBUGMODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(tls) = &self.tls {
            command.env("AUTHNZERVER_TLSCERTFILE", &tls.certificate).env("AUTHNZERVER_TLSCERTKEY", &tls.key);
        }
        let process = Process::start(&mut command)?;
        let address = Address { port, seal: &self.seal, tls: self.tls.as_ref() };
        let mut server = Server { process, address, start_time: Duration::ZERO };
        while !server.answers() {
            if let Ok(Some(status)) = server.process.0.try_wait() {
                return Err(format!(
                    "the server ended at its start ({status}); it said:\n{}",
                    self.log_end()
                ));
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("the server does not answer; it said:\n{}", self.log_end()));
            }
            wait(Duration::from_millis(1));
        }
        server.start_time = begun.elapsed();
        Ok(server)
    }

    /// The folder that holds the database.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The database's file.
    pub fn database(&self) -> PathBuf {
        self.folder.join("bench.sqlite")
    }

    /// The key that it shares with the servers.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Bytes of the binary.
    pub fn binary_bytes(&self) -> Outcome<u64> {
        let about = fs::metadata(&self.binary);
        about.map(|about| about.len()).map_err(|error| format!("{}: {error}", self.binary.display()))
    }

    /// Empties the server's log, which grows by a line for each request.
    pub fn empty_log(&self) -> Outcome<()> {
        self.log()?.set_len(0).map_err(|error| format!("cannot empty the server's log: {error}"))
    }

    fn log(&self) -> Outcome<File> {
        let path = self.folder.join("bench.log");
        // Appending, so that the running server goes on at the start of a file that was emptied.
        let log = OpenOptions::new().create(true).append(true).open(&path);
        log.map_err(|error| format!("{}: {error}", path.display()))
    }

    fn log_end(&self) -> String {
        let text = fs::read(self.folder.join("bench.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        // Nothing is lost if the folder stays; it lies where temporary files do.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Outcome<Self> {
        let started = command.spawn();
        started.map(Self).map_err(|error| format!("{}: {error}", command.get_program().display()))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it listens on this port, having just been started.
    pub fn until_it_listens(&mut self, port: u16, patience: Duration) -> Outcome<()> {
        let begun = now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Err(format!("it ended at its start ({status})"));
            }
            if begun.elapsed() > patience {
                return Err(format!("nobody listens on port {port}"));
            }
            wait(Duration::from_millis(1));
        }
        Ok(())
    }

    /// KiB of memory that the process keeps resident, with those that it has started.
    pub fn resident_kib(&self) -> Outcome<u64> {
        let resident = |id: &u32| {
            let path = format!("/proc/{id}/status");
            let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
                .ok_or_else(|| format!("{path} has no VmRSS"))
        };
        family(self.id()).iter().map(resident).sum()
    }

    /// Processor time that the process has used so far, all its threads together, with those that it has started.
    pub fn cpu_time(&self) -> Outcome<Duration> {
        let mut nanoseconds = 0;
        for thread in family(self.id()).into_iter().flat_map(threads) {
            // A thread may have ended meanwhile.
            let text = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
            let first = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
            nanoseconds += first.unwrap_or(0);
        }
        if nanoseconds == 0 {
            Err(format!("/proc/{}/task tells no time", self.id()))
        } else {
            Ok(Duration::from_nanos(nanoseconds))
        }
    }

    /// Ends it by `kill -9`, which it cannot notice.
    fn kill(&mut self) -> Outcome<()> {
        let killed = self.0.kill().and_then(|()| self.0.wait());
        killed.map(drop).map_err(|error| format!("cannot kill a process: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has already ended needs no more.
        let _ = self.kill();
    }
}

impl Server<'_> {
    /// As of the process.
    pub fn resident_kib(&self) -> Outcome<u64> {
        self.process.resident_kib()
    }

    /// Sends requests, and measures how they are answered.
    pub fn measure(&self, requests: &Requests, connections: usize, time: Duration) -> Outcome<Measured> {
        measure(&self.process, self.address, requests, connections, time)
    }

    /// Asks it to stop, waits until it has, and tells how long that took.
    pub fn stop(mut self) -> Outcome<Duration> {
        let begun = now();
        // The standard library can only kill; the shell's `kill` asks.
        let asked = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.process.0.id())).status();
        asked.map_err(|error| format!("cannot ask the server to stop: {error}"))?;
        loop {
            match self.process.0.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(begun.elapsed()),
                Ok(Some(status)) => {
                    return Err(format!("the server was asked to stop and ended with {status}"));
                }
                Ok(None) if begun.elapsed() < PATIENCE => wait(Duration::from_millis(1)),
                Ok(None) => return Err("the server does not stop".to_owned()),
                Err(error) => return Err(format!("cannot wait for the server: {error}")),
            }
        }
    }

    /// Ends it by `kill -9`, which it cannot notice.
    pub fn kill(&mut self) -> Outcome<()> {
        self.process.kill()
    }

    fn answers(&self) -> bool {
        Client::connect(self.address).and_then(|mut client| client.get("/health")) == Ok(200)
    }
}

/// A port that was free a moment ago; nothing on a quiet machine takes it in between.
pub fn free_port() -> Outcome<u16> {
    let found = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    found.map(|address| address.port()).map_err(|error| format!("finds no free port: {error}"))
}

/// A process, those that it has started, and so on.
fn family(id: u32) -> Vec<u32> {
    let mut family = vec![id];
    let mut next = 0;
    while let Some(member) = family.get(next) {
        let children = threads(*member).into_iter();
        // Where the system does not list them, there are none.
        let children = children.filter_map(|thread| fs::read_to_string(thread.join("children")).ok());
        family.extend(children.flat_map(|list| numbers(&list)).collect::<Vec<u32>>());
        next += 1;
    }
    family
}

fn numbers(list: &str) -> Vec<u32> {
    list.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

fn threads(id: u32) -> Vec<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{id}/task"));
    tasks.map(|tasks| tasks.flatten().map(|task| task.path()).collect()).unwrap_or_default()
}
