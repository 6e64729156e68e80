//! A start without the rights, or the room, that the database needs: what is told, and that nothing stays behind.

use crate::log::in_shell;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use support::machine::Machine;

/// Whom the server runs as where the test runs as root, whom no mode keeps out.
const NOBODY: u32 = 65534;

/// A machine whose server has no rights but those that modes give it.
struct Plain {
    machine: Machine,
    is_root: bool,
}

impl Plain {
    fn new() -> Self {
        let machine = Machine::new();
        let is_root = std::fs::metadata("/proc/self").expect("a process").uid() == 0;
        if is_root {
            // The program may lie where only root gets to.
            let program = machine.path("authnzerver");
            if std::fs::hard_link(support::program(), &program).is_err() {
                std::fs::copy(support::program(), &program).expect("room for the program");
            }
            chown(machine.path("."), Some(NOBODY), Some(NOBODY)).expect("root may do that");
        }
        Self { machine, is_root }
    }

    /// The same command, run by a user whom modes keep out.
    fn demoted(&self, command: Command) -> Command {
        if !self.is_root {
            return command;
        }
        let mut demoted = Command::new(self.machine.path("authnzerver"));
        demoted.env_clear().args(command.get_args()).current_dir("/").uid(NOBODY).gid(NOBODY);
        for (name, value) in command.get_envs() {
            demoted.env(name, value.expect("set"));
        }
        demoted.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        demoted
    }

    fn starts(&self) {
        self.machine.serves(self.demoted(self.machine.command(&[]))).stops();
    }

    /// What the log of a start says that comes to nothing.
    fn fails(&self) -> String {
        let output = self.demoted(self.machine.command(&[])).output().expect("the program starts");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{log}");
        log
    }

    fn sets_mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.machine.path(name), Permissions::from_mode(mode)).expect("ours");
    }
}

fn says(log: &str, path: &Path, words: &[&str]) {
    assert!(log.contains(&path.display().to_string()), "no {}: {log}", path.display());
    for words in words {
        assert!(log.contains(words), "no {words:?}: {log}");
    }
}

#[test]
fn a_database_that_may_not_be_written_is_named_and_the_next_start_succeeds() {
    let plain = Plain::new();
    let database = plain.machine.path(".authdb.sqlite");
    plain.starts();
    plain.sets_mode(".authdb.sqlite", 0o400);
    says(&plain.fails(), &database, &["mode 0400", "run `chmod u+rw "]);
    for suffix in ["-shm", "-wal"] {
        assert!(!plain.machine.path(&format!(".authdb.sqlite{suffix}")).exists(), "{suffix} was left");
    }
    plain.sets_mode(".authdb.sqlite", 0o600);
    plain.starts();
}

#[test]
fn what_lies_beside_the_database_and_may_not_be_written_is_named() {
    let plain = Plain::new();
    plain.starts();
    for suffix in ["-shm", "-wal"] {
        let name = format!(".authdb.sqlite{suffix}");
        std::fs::write(plain.machine.path(&name), "").expect("writes");
        if plain.is_root {
            chown(plain.machine.path(&name), Some(NOBODY), Some(NOBODY)).expect("root may do that");
        }
        plain.sets_mode(&name, 0o400);
        says(&plain.fails(), &plain.machine.path(&name), &["mode 0400", "run `chmod u+rw "]);
        plain.sets_mode(&name, 0o600);
        plain.starts();
    }
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    let plain = Plain::new();
    plain.starts();
    plain.sets_mode("", 0o500);
    let log = plain.fails();
    plain.sets_mode("", 0o700);
    let base = plain.machine.path("");
    says(
        &log,
        Path::new(base.to_str().expect("text").trim_end_matches('/')),
        &["mode 0500", "run `chmod u+rwx "],
    );
    plain.starts();
}

#[test]
fn a_first_start_in_a_directory_that_may_not_be_written_names_it() {
    let plain = Plain::new();
    plain.sets_mode("", 0o500);
    let log = plain.fails();
    plain.sets_mode("", 0o700);
    says(&log, &plain.machine.path(".authnzerver-secret-key"), &["mode 0500", "run `chmod u+rwx "]);
    plain.starts();
}

#[test]
fn a_first_start_that_may_write_no_large_files_names_the_database_and_the_limit() {
    // The last is enough for a database, but not for its first users.
    for blocks in [1, 9, 40, 100] {
        let machine = Machine::new();
        let mut command = in_shell(&machine.command(&[]), &format!("ulimit -f {blocks}; exec \"$@\""));
        let output = command.stderr(Stdio::piped()).output().expect("a shell");
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{blocks}: {log}");
        says(&log, &machine.path(".authdb.sqlite"), &["ulimit -f"]);
    }
}

#[test]
fn whatever_may_write_no_large_files_says_so_instead_of_being_killed() {
    let machine = Machine::new();
    let mut set_up = machine.command(&[]);
    set_up.arg("--autosetup");
    for (command, blocks, file) in
        [(set_up, 40, ".authdb.sqlite"), (Machine::new().command(&[]), 0, ".authnzerver-secret-key")]
    {
        let mut command = in_shell(&command, &format!("ulimit -f {blocks}; exec \"$@\""));
        let output = command.stderr(Stdio::piped()).output().expect("a shell");
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{file}: {log}");
        assert!(log.contains(file), "no {file}: {log}");
    }
}

#[test]
fn a_second_server_on_one_base_directory_is_told_of() {
    let machine = Machine::new();
    let first = machine.starts(&[]);
    assert!(!first.log().contains("another server"), "{}", first.log());
    let second = machine.starts(&[]).stops();
    assert!(second.contains("another server"), "{second}");
    first.kills();
    let third = machine.starts(&[]).stops();
    assert!(!third.contains("another server"), "{third}");
}
