//! A machine with an operator at it.

use crate::accounts::first_users::Initialised;
use crate::cli::command::Parts;
use crate::cli::run;
use crate::cli::streams::Streams;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::config::{Environment, Startup};
use crate::json::{self, Limits};
use crate::policy::model::DEFAULT_POLICY;
use crate::problem::Problem;
use crate::rng::{OsRng, Rng, SeededRng};
use crate::server::boot;
use crate::server::database::FirstAdmin;
use crate::server::lifecycle::End;
use crate::server::process::Process;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

/// An operator's machine: a directory, an environment, and what is typed.
pub(in crate::cli) struct Machine {
    pub(in crate::cli) room: tempfile::TempDir,
    variables: BTreeMap<OsString, OsString>,
    typed: Option<&'static str>,
    hidden: RefCell<VecDeque<&'static str>>,
    pub(in crate::cli) database: Result<Initialised, Problem>,
    pub(in crate::cli) made: RefCell<Vec<String>>,
    /// Whether databases are really made.
    is_real: bool,
}

/// What a command left behind.
pub(in crate::cli) struct Outcome {
    pub(in crate::cli) status: u8,
    pub(in crate::cli) output: String,
    pub(in crate::cli) errors: String,
}

impl Machine {
    pub(in crate::cli) fn new() -> Self {
        Self {
            room: tempfile::tempdir().expect("a directory"),
            variables: BTreeMap::new(),
            typed: None,
            hidden: RefCell::default(),
            database: Ok(Initialised::JustNow),
            made: RefCell::default(),
            is_real: false,
        }
    }

    /// One on which a server was set up in `run`.
    pub(in crate::cli) fn ready() -> Self {
        let machine = Self { is_real: true, ..Self::new() }
            .sets("AUTHNZERVER_ADMIN_EMAIL", "admin@example.org")
            .sets("AUTHNZERVER_ADMIN_PASSWORD", "the password of the administrator");
        let made = machine.runs(&["setup", "--basedir=run", "--pwnedurl=none", "--argon2=m=19456,t=2,p=1"]);
        assert_eq!((made.status, made.errors.as_str()), (0, ""));
        machine
    }

    pub(in crate::cli) fn sets(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sits at a terminal and will type these lines, and these where nothing is shown.
    pub(in crate::cli) fn types(mut self, lines: &'static str, hidden: &[&'static str]) -> Self {
        self.typed = Some(lines);
        self.hidden.borrow_mut().extend(hidden);
        self
    }

    pub(in crate::cli) fn runs(&self, words: &[&str]) -> Outcome {
        self.runs_with(words, "")
    }

    pub(in crate::cli) fn runs_with(&self, words: &[&str], piped: &str) -> Outcome {
        let environment = Environment {
            arguments: words.iter().map(OsString::from).collect(),
            variables: self.variables.clone(),
            directory: self.room.path().to_owned(),
        };
        let clock = ManualClock::at(Timestamp::parse("2026-11-23 14:06:11").expect("a time"));
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(clock), Arc::new(OsRng));
        let make_database = |path: &Path, policy: Option<&Path>, first_admin: &FirstAdmin<'_>| {
            if self.is_real {
                return boot::make_database(path, policy, first_admin, &clock, &rng);
            }
            let (path, policy) = (self.short(path), policy.map(|policy| self.short(policy)));
            if self.database == Ok(Initialised::JustNow) {
                let admin = first_admin()?;
                let password = admin.password.expose();
                self.made.borrow_mut().push(format!("{path} {policy:?} {} {password}", admin.email));
            }
            self.database.clone()
        };
        let serve = |loaded: Startup, notes: &[Problem], _: &Process| {
            self.made.borrow_mut().extend(loaded.warnings.iter().chain(notes).map(ToString::to_string));
            End::Stopped
        };
        let parts = Parts {
            clock: &clock,
            rng: &SeededRng::new(1),
            default_policy: if self.is_real { DEFAULT_POLICY } else { "{\"roles\": []}" },
            open: &|loaded, process| boot::open(loaded, process, &clock, &rng),
            make_database: &make_database,
            serve: &serve,
        };
        let read_hidden = || self.hidden.borrow_mut().pop_front().map(str::to_owned).ok_or_else(io_end);
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let mut streams = Streams {
            input: &mut self.typed.unwrap_or(piped).as_bytes(),
            input_is_terminal: self.typed.is_some(),
            read_hidden: &read_hidden,
            output: &mut output,
            output_is_terminal: false,
            errors: &mut errors,
            output_failed: false,
        };
        let status = run(&environment, &parts, &mut streams);
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Outcome { status, output: text(output), errors: text(errors) }
    }

    fn short(&self, path: &Path) -> String {
        path.display().to_string().replace(&self.room.path().display().to_string(), "@")
    }

    pub(in crate::cli) fn reads(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.room.path().join(name)).expect(name);
        text.replace(&self.room.path().display().to_string(), "@")
    }

    /// Changes the database of `run` behind everybody's back.
    pub(in crate::cli) fn changes(&self, statements: &str) {
        crate::store::testing::change(&self.room.path().join("run/.authdb.sqlite"), statements);
    }

    pub(in crate::cli) fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.room.path().join(name)).expect(name).permissions().mode() & 0o777
    }

    pub(in crate::cli) fn has(&self, name: &str) -> bool {
        self.room.path().join(name).exists()
    }
}

/// What the answer of a command holds for programs.
impl Outcome {
    pub(in crate::cli) fn json(&self) -> Value {
        json::read(&self.output, &Limits::ANSWER).unwrap_or_else(|error| panic!("{error}: {}", self.output))
    }
}

fn io_end() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
