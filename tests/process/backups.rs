//! Backups of a running server, and what becomes of them when something goes wrong; and putting them in place again.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use support::machine::Machine;
use support::parser::value_of;

/// Runs a command on the machine's base directory; its exit status, standard output and standard error.
fn runs(machine: &Machine, words: &[&str]) -> (i32, Vec<u8>, String) {
    let output = machine.command(&[]).args(words).output().expect("the program starts");
    let errors = String::from_utf8(output.stderr).expect("text");
    (output.status.code().expect("an exit status"), output.stdout, errors)
}

/// The same to a good end; what it answers a program.
pub fn does(machine: &Machine, words: &[&str]) -> Value {
    let (status, output, errors) = runs(machine, &[words, &["--json"]].concat());
    assert_eq!((status, errors.as_str()), (0, ""), "{words:?}");
    value_of(&output).expect("JSON")
}

/// The same to no good end, which leaves nothing behind that looks like a backup; what it says.
pub fn fails(machine: &Machine, words: &[&str], expected: i32) -> String {
    let (status, output, errors) = runs(machine, words);
    assert_eq!((status, output.as_slice()), (expected, &b""[..]), "{words:?}: {errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    errors
}

pub fn backs_up(machine: &Machine, path: &Path) -> Value {
    does(machine, &["backup", path.to_str().expect("UTF-8")])
}

pub fn restores(machine: &Machine, path: &Path) -> Value {
    does(machine, &["restore", path.to_str().expect("UTF-8")])
}

pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("reads").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// What SQLite itself says of a file.
fn is_whole(path: &Path) -> bool {
    let connection = rusqlite::Connection::open(path).expect("opens");
    let verdict = connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    verdict.is_ok_and(|verdict| verdict == "ok")
}

/// A machine without a server, and a backup of what one left on it.
pub fn with_backup() -> (Machine, PathBuf) {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let path = machine.path("copy.sqlite");
    backs_up(&machine, &path);
    (machine, path)
}

#[test]
fn a_backup_under_load_has_all_that_was_answered_before_it_began() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let (answered, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let count = || answered.lock().expect("no panic").len();
    let path = machine.path("copy.sqlite");
    let before = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let token = server.new_session();
                    answered.lock().expect("no panic").push(token);
                }
            });
        }
        server.waits_until(|| count() >= 100);
        let before = answered.lock().expect("no panic").clone();
        let told = backs_up(&machine, &path);
        let during = count();
        server.waits_until(|| count() > during);
        is_over.store(true, Ordering::Relaxed);
        assert!(told["rows"].as_u64().is_some_and(|rows| rows >= before.len() as u64), "{told}");
        before
    });
    assert_eq!(fs::metadata(&path).expect("is there").permissions().mode() & 0o7777, 0o600);
    assert!(is_whole(&path));
    for leftover in names(&machine.path("")) {
        let is_whole = ["copy.sqlite", "copy.sqlite.sha256"].contains(&leftover.as_str());
        assert!(!leftover.starts_with("copy.sqlite") || is_whole, "{leftover}");
    }
    let (status, health) = server.health();
    assert_eq!(status, 200, "{}", server.log());
    assert!(health["Last-Backup"].as_str().is_some_and(|time| time.starts_with("20")), "{health}");
    server.stops();

    let told = restores(&machine, &path);
    assert!(told["kept"].as_str().is_some_and(|kept| is_whole(Path::new(kept))), "{told}");
    let server = machine.starts(&[]);
    let lost = before.iter().filter(|token| !server.session_is_live(token)).count();
    assert_eq!(lost, 0, "of {}", before.len());
    assert!(server.session_is_live(&server.new_session()));
    server.waits_for("last verified backup");
    assert!(server.health().1["Last-Backup"].is_string());
}

#[test]
fn a_directory_keeps_the_newest() {
    let machine = Machine::new();
    let _server = machine.starts(&[]);
    let directory = machine.path("backups");
    let mut made = Vec::new();
    for _ in 0..4 {
        let told = does(&machine, &["backup", directory.to_str().expect("UTF-8"), "--keep=2"]);
        made.push(PathBuf::from(told["backup"].as_str().expect("a path")));
    }
    assert_eq!(fs::metadata(&directory).expect("is there").permissions().mode() & 0o7777, 0o700);
    let mut expected: Vec<String> =
        made[2..].iter().map(|path| path.file_name().expect("a name").display().to_string()).collect();
    expected.extend(expected.clone().iter().map(|name| format!("{name}.sha256")));
    expected.sort();
    assert_eq!(names(&directory), expected, "of {made:?}");
    let other = machine.path("copy.sqlite");
    backs_up(&machine, &other);
    let told = fails(&machine, &["backup", other.to_str().expect("UTF-8"), "--keep=2"], 2);
    assert!(told.contains("--keep is for a directory"), "{told}");
    fails(&machine, &["backup", directory.to_str().expect("UTF-8"), "--keep=0"], 2);
}

#[test]
fn standard_output_takes_a_backup_and_nothing_else() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let session = server.new_session();
    let before = names(&machine.path(""));
    let (status, bytes, errors) = runs(&machine, &["backup", "-"]);
    assert_eq!((status, errors.as_str()), (0, ""));
    assert_eq!(names(&machine.path("")), before, "nothing stays on the disk");
    server.stops();
    let path = machine.path("piped.sqlite");
    fs::write(&path, bytes).expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changes");
    restores(&machine, &path);
    assert!(machine.starts(&[]).session_is_live(&session));
    fails(&machine, &["backup", "-", "--with-secrets"], 2);
    let told = fails(&machine, &["backup", ""], 2);
    assert!(told.contains("FILE is empty"), "{told}");
}

#[test]
fn a_backup_names_its_key_and_salt_without_telling_them() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let path = machine.path("copy.sqlite");
    let word = path.to_str().expect("UTF-8");
    let told = does(&machine, &["backup", word, "--with-secrets"]);
    let fingerprint = told["belongs_to"][0].as_str().expect("a fingerprint").to_owned();
    assert_eq!(told["belongs_to"], backs_up(&machine, &path)["belongs_to"], "it stays the same");
    for (copy, original) in [("secret", ".authnzerver-secret-key"), ("piisalt", ".authnzerver-salt")] {
        let copy = machine.path(&format!("copy.sqlite.{copy}"));
        assert_eq!(fs::metadata(&copy).expect("is there").permissions().mode() & 0o7777, 0o600);
        let (copy, original) =
            (fs::read(copy).expect("reads"), fs::read(machine.path(original)).expect("reads"));
        assert_eq!(copy, original);
        let backup = fs::read(&path).expect("reads");
        assert!(!backup.windows(original.len()).any(|bytes| bytes == original), "it is not in the backup");
    }
    server.stops();
    let other = Machine::new();
    other.starts(&[]).stops();
    let told = restores(&other, &path);
    let next = told["next"].as_array().expect("a list")[0].as_str().expect("text").to_owned();
    assert!(next.contains(&fingerprint) && next.contains("another key or salt"), "{next}");
    assert!(next.contains("copy.sqlite.secret"), "it says where they are: {next}");
    // A machine that has nothing yet.
    let new = Machine::new();
    let told = restores(&new, &path);
    assert_eq!(told["kept"], Value::Null);
    assert!(told["next"][0].as_str().is_some_and(|next| next.contains("there is no key")), "{told}");
}

#[test]
fn what_is_no_backup_of_ours_is_never_replaced() {
    let machine = Machine::new();
    let _server = machine.starts(&[]);
    let other = Machine::new();
    let _other_server = other.starts(&[]);
    let foreign = machine.path("foreign.sqlite");
    rusqlite::Connection::open(&foreign)
        .and_then(|made| made.execute_batch("CREATE TABLE x (y)"))
        .expect("makes");
    let text = machine.path("notes.txt");
    fs::write(&text, "mine").expect("writes");
    let link = machine.path("link");
    std::os::unix::fs::symlink(&text, &link).expect("links");
    for path in [&foreign, &text, &link, &machine.path(".authdb.sqlite"), &other.path(".authdb.sqlite")] {
        let before = fs::read(path).expect("reads");
        let told = fails(&machine, &["backup", path.to_str().expect("UTF-8")], 1);
        assert!(told.contains("nothing was changed"), "{told}");
        assert_eq!(fs::read(path).expect("reads"), before);
    }
    let nowhere = machine.path("nowhere/copy.sqlite");
    fails(&machine, &["backup", nowhere.to_str().expect("UTF-8")], 1);
    let told = fails(&machine, &["backup", machine.path("nowhere/").to_str().expect("UTF-8")], 1);
    assert!(told.contains("nowhere/ cannot be read") && !machine.path("nowhere").exists(), "{told}");
    let below_a_file = machine.path("notes.txt/");
    fails(&machine, &["backup", below_a_file.to_str().expect("UTF-8")], 1);
}

#[test]
fn a_full_disk_keeps_the_backup_that_was_there() {
    let machine = Machine::new();
    let _server = machine.starts(&[]);
    let path = machine.path("copy.sqlite");
    backs_up(&machine, &path);
    let before = fs::read(&path).expect("reads");
    fs::create_dir(machine.path("directory")).expect("makes");
    for word in ["copy.sqlite", "other.sqlite", "directory/", "-"] {
        let mut command = machine.command(&[]);
        let target = if word == "-" { word.to_owned() } else { machine.path(word).display().to_string() };
        command.args(["backup", &target]);
        // What may not grow further is as good as full.
        let mut limited = Command::new("prlimit");
        limited.args(["--fsize=20480:20480"]).arg(command.get_program()).args(command.get_args());
        let output = limited.output().expect("prlimit is there");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{word}: {told}");
        assert!(told.contains("disk"), "{told}");
        assert_eq!(fs::read(&path).expect("reads"), before, "{word}");
        assert!(
            !names(&machine.path(""))
                .iter()
                .any(|name| name.contains("unfinished") || name == "other.sqlite")
        );
    }
    assert_eq!(names(&machine.path("directory")), [""; 0]);
}

#[test]
fn a_backup_that_is_killed_never_has_its_name() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let database = rusqlite::Connection::open(machine.path(".authdb.sqlite")).expect("opens");
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
                INSERT INTO sessions SELECT randomblob(32), '192.0.2.1', hex(randomblob(200)), 1, '2026-01-01 00:00:00',
                '2099-01-01 00:00:00', NULL FROM n";
    database.execute_batch(fill).expect("fills");
    drop(database);
    let (path, unfinished) = (machine.path("copy.sqlite"), machine.path("copy.sqlite.unfinished"));
    let mut killed_in_the_middle = 0;
    for _ in 0..10 {
        let mut child =
            machine.command(&[]).args(["backup", path.to_str().expect("UTF-8")]).spawn().expect("starts");
        while !unfinished.exists() && child.try_wait().expect("a child").is_none() {
            std::thread::yield_now();
        }
        child.kill().expect("a child of ours");
        child.wait().expect("a child of ours");
        killed_in_the_middle += usize::from(unfinished.exists());
        assert!(!path.exists() || is_whole(&path));
    }
    assert!(killed_in_the_middle > 0);
    backs_up(&machine, &path);
    assert!(is_whole(&path));
    let left = names(&machine.path("")).into_iter().filter(|name| name.contains("copy.sqlite"));
    assert_eq!(
        left.collect::<Vec<_>>(),
        ["copy.sqlite", "copy.sqlite.sha256"],
        "what the others left is gone"
    );
}

#[test]
fn nothing_is_restored_under_a_server() {
    let (machine, path) = with_backup();
    let server = machine.starts(&[]);
    let session = server.new_session();
    let word = path.to_str().expect("UTF-8");
    let told = fails(&machine, &["restore", word], 1);
    assert!(told.contains("systemctl stop authnzerver"), "{told}");
    assert!(server.session_is_live(&session));
    assert_eq!(runs(&machine, &["user", "list"]).0, 0, "other commands go on");
    // Also one whose database was taken away.
    fs::rename(machine.path(".authdb.sqlite"), machine.path("away")).expect("moves");
    fails(&machine, &["restore", word], 1);
    fs::rename(machine.path("away"), machine.path(".authdb.sqlite")).expect("moves");
    server.kills();
    restores(&machine, &path);
    let server = machine.starts(&[]);
    assert!(!server.session_is_live(&session), "it is from before");
}

#[test]
fn what_a_killed_server_left_is_kept_whole() {
    let (machine, path) = with_backup();
    let server = machine.starts(&[]);
    let session = server.new_session();
    server.kills();
    let told = restores(&machine, &path);
    let kept = PathBuf::from(told["kept"].as_str().expect("a path"));
    restores(&machine, &kept);
    assert!(machine.starts(&[]).session_is_live(&session), "its log was not lost");
}

#[test]
fn only_a_sound_backup_is_put_in_place() {
    let (machine, path) = with_backup();
    let before = fs::read(machine.path(".authdb.sqlite")).expect("reads");
    let good = fs::read(&path).expect("reads");
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle..].fill(0x55);
    let bad = machine.path("bad.sqlite");
    let puts = |bytes: &[u8], mode: u32| {
        let _ = fs::remove_file(&bad);
        fs::write(&bad, bytes).expect("writes");
        fs::set_permissions(&bad, fs::Permissions::from_mode(mode)).expect("changes");
    };
    let refuses = |why: &str| {
        let told = fails(&machine, &["restore", bad.to_str().expect("UTF-8")], 1);
        assert!(told.contains(why), "{why}: {told}");
        assert_eq!(fs::read(machine.path(".authdb.sqlite")).expect("reads"), before, "{why}");
        let names = names(&machine.path(""));
        assert!(!names.iter().any(|name| name.contains("restor")), "{names:?}");
    };
    puts(&damaged, 0o600);
    refuses("damaged");
    puts(&good[..good.len() - 4096], 0o600);
    refuses("damaged");
    puts(b"no database, but long enough to be looked at", 0o600);
    refuses("damaged or is no SQLite database");
    puts(b"", 0o600);
    refuses("is no backup of ours");
    puts(&good, 0o644);
    refuses("chmod 600");
    puts(&good, 0o600);
    let changes = |statement: &str| {
        let connection = rusqlite::Connection::open(&bad).expect("opens");
        connection.execute_batch(statement).expect("changes");
    };
    changes("PRAGMA user_version = 1000");
    refuses("newer authnzerver");
    puts(&good, 0o600);
    changes("PRAGMA application_id = 7");
    refuses("neither ours");
    let told = fails(&machine, &["restore", machine.path(".authdb.sqlite").to_str().expect("UTF-8")], 1);
    assert!(told.contains("the database itself"), "{told}");
    machine.starts(&[]).stops();
}

#[test]
fn files_belong_to_whom_the_database_belongs_to() {
    let (machine, path) = with_backup();
    if fs::metadata("/proc/self").expect("reads").uid() != 0 {
        // Nobody else can give files away.
        return;
    }
    let (user, group) = (Some(65_533), Some(65_532));
    let database = machine.path(".authdb.sqlite");
    for name in ["", ".authdb.sqlite", ".authdb.sqlite-lock"] {
        std::os::unix::fs::chown(machine.path(name), user, group).expect("gives away");
    }
    let owner = |path: &Path| {
        let about = fs::metadata(path).expect("is there");
        (Some(about.uid()), Some(about.gid()))
    };
    does(&machine, &["backup", path.to_str().expect("UTF-8"), "--with-secrets"]);
    for suffix in ["", ".secret", ".piisalt", ".sha256"] {
        assert_eq!(owner(&machine.path(&format!("copy.sqlite{suffix}"))), (user, group), "{suffix}");
    }
    restores(&machine, &path);
    assert_eq!(owner(&database), (user, group));
    fs::remove_file(&database).expect("removes");
    fs::remove_file(machine.path(".authdb.sqlite-lock")).expect("removes");
    restores(&machine, &path);
    for name in [".authdb.sqlite", ".authdb.sqlite-lock"] {
        assert_eq!(owner(&machine.path(name)), (user, group), "{name}");
    }
    assert!(json!(names(&machine.path(""))).to_string().contains(".before-restore-"));
}

/// The lines to type in the page about backups.
/// What is to be typed, but for Litestream, which has a run of its own (`make test-litestream`).
fn lines_to_type() -> impl Iterator<Item = &'static str> {
    let page = include_str!("../../docs/backup.md");
    let ours = page.split("\n## ").filter(|section| !section.starts_with("Continuous replication"));
    ours.flat_map(str::lines).filter_map(|line| line.strip_prefix("    "))
}

#[test]
fn the_page_about_backups_goes_as_printed() {
    let machine = Machine::new();
    let room = tempfile::tempdir().expect("a directory");
    fs::create_dir_all(room.path().join("srv/backups")).expect("makes");
    fs::create_dir_all(room.path().join("system")).expect("makes");
    let port = support::machine::free_port().to_string();
    let settings = [("PORT", port.as_str())];
    let mut server = Some(machine.starts(&settings));
    let mut count = 0;
    for line in lines_to_type() {
        match line {
            "sudo systemctl stop authnzerver" => drop(server.take().expect("it runs").stops()),
            "sudo systemctl start authnzerver" => server = Some(machine.starts(&settings)),
            "sudo systemctl enable --now authnzerver-backup.timer" => {
                assert!(room.path().join("system/authnzerver-backup.timer").exists());
            }
            _ => {
                let command = line
                    .replace("/var/lib/authnzerver", &machine.path("").display().to_string())
                    .replace("/srv/", &format!("{}/srv/", room.path().display()))
                    .replace("/etc/systemd/system", &room.path().join("system").display().to_string())
                    .replace("today.sqlite.age", &room.path().join("today.age").display().to_string())
                    .replace("sudo ", "");
                let program = support::program();
                let script = format!(
                    "authnzerver() {{ '{}' \"$@\"; }}; age() {{ cat; }}; {command}",
                    program.display()
                );
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &script]).current_dir(env!("CARGO_MANIFEST_DIR"));
                shell.env("AUTHNZERVER_PORT", &port).env("AUTHNZERVER_PWNEDURL", "none");
                let output = shell.output().expect("the shell starts");
                assert!(output.status.success(), "{line}: {output:?}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 8);
    assert!(is_whole(&room.path().join("today.age")));
    assert_eq!(server.expect("it runs").health().0, 200);
}

#[test]
fn the_unit_backs_up_by_a_command_that_there_is() {
    let unit = include_str!("../../deploy/authnzerver-backup.service");
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/authnzerver "));
    let command = command.expect("it runs the program").split(' ');
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let words: Vec<String> = command
        .filter(|word| !word.starts_with("--basedir"))
        .map(|word| word.replace("/var/lib", &machine.path("").display().to_string()))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(runs(&machine, &words).0, 0);
    assert_eq!(names(&machine.path("authnzerver-backups")).len(), 2, "a backup and its checksum");
    server.waits_until(|| server.health().1["Last-Backup"].is_string());
}
