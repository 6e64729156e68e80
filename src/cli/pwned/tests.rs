//! A filter built from a list finds what is in the list, however the list is written, and `check` says so.

use super::*;
use crate::cli;
use crate::cli::command::Parts;
use crate::cli::streams::Streams;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::config::Environment;
use crate::outbound::pwned::builder::{Built, FilterWriter};
use crate::outbound::pwned::filter::PwnedFilter;
use crate::rng::SeededRng;
use crate::server::lifecycle::End;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

const SMALL: Portions = Portions { shard_keys_max: 1000, run_keys_max: 700 };

fn hashes(seed: u64, count: usize) -> Vec<[u8; 20]> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut hashes = vec![[0; 20]; count];
    for hash in &mut hashes {
        random.fill(hash);
    }
    hashes
}

fn line(sha1: &[u8; 20], count: u64) -> String {
    let digits: String = sha1.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat();
    format!("{digits}:{count}\n")
}

fn list(hashes: &[[u8; 20]]) -> String {
    hashes.iter().map(|hash| line(hash, 1)).collect()
}

struct Workshop(TempDir);

impl Workshop {
    fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<OsString> {
        let entries = fs::read_dir(self.0.path()).expect("a directory");
        let mut names: Vec<OsString> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    }

    fn build(&self, list: &str, min_count: u64, portions: Portions) -> Result<Built, BuildError> {
        fs::write(self.path("list"), list).expect("a list");
        let list = File::open(self.path("list")).expect("a list");
        build(
            &Order { list: &list, out: &self.path("filter"), min_count, force: true },
            portions,
            &mut |_| {},
        )
    }

    fn built(&self, list: &str, min_count: u64, portions: Portions) -> Vec<u8> {
        self.build(list, min_count, portions).expect("a filter");
        assert_eq!(self.names(), ["filter", "list"], "nothing else is left");
        fs::read(self.path("filter")).expect("a filter")
    }

    fn filter(&self) -> PwnedFilter {
        PwnedFilter::open(&self.path("filter")).expect("a sound filter")
    }

    /// Runs the command; its exit code, standard output and standard error.
    fn run(&self, arguments: &[&str], input: &[u8]) -> (u8, String, String) {
        let room = self.0.path().to_str().expect("UTF-8");
        let words = ["pwned"].iter().chain(arguments).map(|word| word.replace('@', room).into());
        let environment =
            Environment { arguments: words.collect(), variables: BTreeMap::new(), directory: "/".into() };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::MIN));
        let parts = Parts {
            clock: &clock,
            rng: &SeededRng::new(1),
            default_policy: "",
            make_database: &|_, _, _| Err("no command makes a database here".into()),
            open: &|_, _| Err("no command opens one here".into()),
            serve: &|_, _, _| End::Failed,
        };
        let (mut input, mut output, mut errors) = (input, Vec::new(), Vec::new());
        let mut streams = Streams {
            input: &mut input,
            input_is_terminal: false,
            read_hidden: &|| Ok(String::new()),
            output: &mut output,
            output_is_terminal: false,
            errors: &mut errors,
            output_failed: false,
        };
        let code = cli::run(&environment, &parts, &mut streams);
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (code, text(output), text(errors))
    }
}

#[test]
fn every_member_is_found_and_hardly_any_stranger() {
    let shop = Workshop::new();
    let members = hashes(1, 200_000);
    let built = shop.build(&list(&members), 1, Portions::default()).expect("a filter");
    assert_eq!((built.lines, built.hashes), (200_000, 200_000));
    assert_eq!(built.bytes, fs::metadata(shop.path("filter")).expect("a filter").len());
    assert!(built.bytes < 200_000 * 5 / 2, "under 2.5 bytes a hash: {}", built.bytes);

    let filter = shop.filter();
    assert!(members.iter().all(|hash| filter.contains(hash).expect("a read")));
    let strangers = hashes(2, 1_000_000);
    let mistakes = strangers.iter().filter(|hash| filter.contains(hash).expect("a read")).count();
    // 15 are expected; 31 would be twice as many.
    assert!((3..31).contains(&mistakes), "{mistakes} mistakes in a million");
}

#[test]
fn order_letter_case_line_ends_and_repetition_do_not_matter() {
    let shop = Workshop::new();
    let mut members = hashes(3, 5000);
    members.sort_unstable();
    let sorted = shop.built(&list(&members), 1, SMALL);
    let filter = shop.filter();
    assert_eq!(filter.hashes(), 5000);
    assert!(members.iter().all(|hash| filter.contains(hash).expect("a read")));

    let repeated: Vec<_> = members.iter().flat_map(|hash| [*hash, *hash]).collect();
    assert_eq!(shop.built(&list(&repeated), 1, SMALL), sorted, "repeated");
    assert_eq!(shop.built(&list(&members).replace('\n', "\r\n"), 1, SMALL), sorted, "CR LF");
    assert_eq!(shop.built(&list(&members).to_lowercase(), 1, SMALL), sorted, "lower case");
    assert_eq!(shop.built(list(&members).trim_end(), 1, SMALL), sorted, "no last line end");

    let mut shuffled = repeated;
    fastrand::Rng::with_seed(4).shuffle(&mut shuffled);
    assert_eq!(shop.built(&list(&shuffled), 1, SMALL), sorted, "shuffled");
    let last = shuffled.iter().position(|hash| *hash == members[0]).expect("a member");
    shuffled.swap_remove(last);
    shuffled.sort_unstable();
    shuffled.push(members[0]);
    assert_eq!(shop.built(&list(&shuffled), 1, SMALL), sorted, "sorted but for the last line");
}

#[test]
fn rare_passwords_are_left_out_on_request() {
    let shop = Workshop::new();
    let members = hashes(5, 4000);
    let text: String = (1_u64..).zip(&members).map(|(count, hash)| line(hash, count)).collect();
    let bytes = shop.built(&text, 3001, SMALL);
    assert_eq!(bytes[24..32], 3001_u64.to_le_bytes(), "the file says so");
    let filter = shop.filter();
    assert_eq!(filter.hashes(), 1000);
    assert!(members[3000..].iter().all(|hash| filter.contains(hash).expect("a read")));
    assert!(members[..3000].iter().filter(|hash| filter.contains(hash).expect("a read")).count() < 3);
    assert!(matches!(shop.build(&text, 4001, SMALL), Err(BuildError::Empty)));
}

#[test]
fn a_list_that_is_none_leaves_the_old_filter_alone() {
    let shop = Workshop::new();
    let old = shop.built(&list(&hashes(6, 10)), 1, SMALL);
    let cut = list(&hashes(7, 5000));
    let faults = [
        (format!("{}hunter2\n", list(&hashes(7, 2))), "line 3 of the list"),
        (cut[..cut.len() - 10].to_owned(), "line 5000 of the list"),
        (String::new(), "no hash"),
    ];
    for (text, expected) in faults {
        let error = shop.build(&text, 1, SMALL).expect_err("no such list").to_string();
        assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        assert_eq!(shop.names(), ["filter", "list"]);
        assert_eq!(fs::read(shop.path("filter")).expect("the old filter"), old);
    }
}

#[test]
fn a_pipe_will_do_if_it_is_sorted() {
    let shop = Workshop::new();
    for (text, sorted) in [(list(&[[1; 20], [2; 20]]), true), (list(&[[2; 20], [1; 20]]), false)] {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(text.as_bytes()).expect("room in the pipe");
        drop(writer);
        let list = File::from(std::os::fd::OwnedFd::from(reader));
        let out = shop.path("filter");
        let outcome = build(&Order { list: &list, out: &out, min_count: 1, force: true }, SMALL, &mut |_| {});
        match outcome {
            Ok(built) => assert!(sorted && built.hashes == 2),
            Err(error) => assert!(!sorted && matches!(error, BuildError::ReadOnce), "{error}"),
        }
        assert_eq!(shop.names(), ["filter"]);
    }
}

#[test]
fn a_full_disk_is_told() {
    let full = File::options().write(true).open("/dev/full").expect("a device that is always full");
    let mut writer = FilterWriter::new(full, 1000).expect("nothing written yet");
    writer.push(1).expect("nothing written yet");
    let error = writer.finish(1).expect_err("a full disk").to_string();
    assert!(error.starts_with("writing the filter failed: No space left on device"), "{error}");
}

#[test]
fn nothing_is_overwritten_unasked() {
    let shop = Workshop::new();
    fs::write(shop.path("list"), list(&hashes(8, 10))).expect("a list");
    fs::write(shop.path("filter"), "something dear").expect("a file");
    let build = ["build", "@/list", "@/filter"];
    let (code, _, errors) = shop.run(&build, b"");
    assert_eq!(code, EXIT_USAGE);
    assert!(errors.contains("--force"), "{errors}");
    assert_eq!(fs::read(shop.path("filter")).expect("the file"), b"something dear");

    fs::write(shop.path("filter.partial"), "of another build").expect("a file");
    let (code, _, errors) = shop.run(&[&build[..], &["--force"]].concat(), b"");
    assert_eq!(code, EXIT_USAGE);
    assert!(errors.contains("filter.partial"), "{errors}");
    assert_eq!(shop.names(), ["filter", "filter.partial", "list"]);

    fs::remove_file(shop.path("filter.partial")).expect("a file");
    let (code, output, _) = shop.run(&[&build[..], &["--force"]].concat(), b"");
    assert_eq!(code, EXIT_DONE);
    assert!(output.contains("10 hashes from 10 lines"), "{output}");
    assert_eq!(shop.filter().hashes(), 10);

    std::os::unix::fs::symlink("filter", shop.path("link")).expect("a link");
    for out in ["@", "@/", "@/link", "/dev/null"] {
        let (code, _, errors) = shop.run(&["build", "@/list", out, "--force"], b"");
        assert_eq!(code, EXIT_USAGE);
        assert!(errors.contains("no regular file"), "{out}: {errors}");
    }
}

#[test]
fn check_tells_which_lines_leaked_and_shows_no_password() {
    let shop = Workshop::new();
    let known = ["password", "passwordpassword123", "pass word "];
    let text: String = known.iter().map(|word| line(password_sha1(word.as_bytes()).expose(), 30)).collect();
    fs::write(shop.path("list"), text).expect("a list");
    shop.run(&["build", "@/list", "@/filter", "--min-count", "25"], b"");

    let (code, output, errors) = shop.run(
        &["check", "@/filter"],
        b"password\r\naROwQin9L8nNtPTEMLXd\npass word \n\xff\n\npasswordpassword123",
    );
    assert_eq!(code, LEAKED);
    let expected = ["leaked", "not found", "leaked", "not found", "not found", "leaked"];
    assert_eq!(
        output.lines().map(|line| line.split_once(": ").expect("a verdict").1).collect::<Vec<_>>(),
        expected
    );
    assert!(output.starts_with("line 1: "));
    assert!(!output.contains("word") && errors.is_empty());

    assert_eq!(shop.run(&["check", "@/filter"], b"aROwQin9L8nNtPTEMLXd\n").0, EXIT_DONE);
    assert_eq!(shop.run(&["check", "@/filter"], b"").0, EXIT_DONE);
}

#[test]
fn check_ends_with_an_error_when_it_cannot_tell() {
    let shop = Workshop::new();
    shop.built(&list(&hashes(9, 10)), 1, SMALL);
    let longest = [b"x".repeat(PASSWORD_BYTES_MAX), b"\r\n".to_vec()].concat();
    assert_eq!(shop.run(&["check", "@/filter"], &longest).0, EXIT_DONE);
    let (code, _, errors) = shop.run(&["check", "@/filter"], &[b"x", longest.as_slice()].concat());
    assert_eq!(code, EXIT_USAGE);
    assert!(errors.contains("line 1 is longer") && !errors.contains("xx"), "{errors}");

    for (name, expected) in [("@/list", "not a leaked-password filter"), ("@/none", "cannot be read")] {
        let (code, output, errors) = shop.run(&["check", name], b"password\n");
        assert_eq!(code, EXIT_USAGE);
        assert!(errors.contains(expected) && output.is_empty(), "{errors}");
    }
}

#[test]
fn the_count_and_force_are_understood_wherever_they_stand() {
    let shop = Workshop::new();
    let lines = [line(&[1; 20], 24), line(&[2; 20], 25)].concat();
    fs::write(shop.path("list"), lines).expect("a list");
    for words in [
        "build @/list @/filter --min-count 25 --force",
        "--force build --min-count=25 @/list @/filter",
        "build @/list --force @/filter --min_count=25",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let (code, output, errors) = shop.run(&words, b"");
        assert!(code == EXIT_DONE && output.contains("1 hashes from 2 lines"), "{words:?}: {errors}");
    }
    for wrong in ["", "0", "x", "-1", "1.5"] {
        let count = format!("--min-count={wrong}");
        let (code, _, errors) = shop.run(&["build", "@/list", "@/filter", "--force", &count], b"");
        assert!(code == EXIT_USAGE && errors.contains("--min-count must be a number"), "{wrong}: {errors}");
    }
}

#[test]
fn whatever_is_not_a_command_line_is_refused_with_what_is() {
    for (words, expected) in [
        ("", "usage: authnzerver pwned {build|check}"),
        ("build", "usage: authnzerver pwned build LIST OUT [OPTION…]"),
        ("build list", "usage: authnzerver pwned build LIST OUT"),
        ("build list out more", "usage: authnzerver pwned build LIST OUT"),
        ("check", "usage: authnzerver pwned check FILE"),
        ("check file more", "usage: authnzerver pwned check FILE"),
        ("check file --force", "--force belongs to `pwned build`"),
        ("build list out --port=1", "--port does not belong to `pwned build`"),
        ("build list out --envfile=x", "--envfile does not belong to `pwned build`"),
        ("build list out --min-count", "--min-count needs a value"),
        ("build list out --minimum=3", "`--minimum` is not an option"),
        ("biuld", "`pwned biuld` is not a command; perhaps pwned build?"),
        ("mend", "`pwned mend` is not a command (see"),
    ] {
        let words: Vec<&str> = words.split_whitespace().collect();
        let (code, output, errors) = Workshop::new().run(&words, b"");
        assert_eq!((code, output.as_str()), (EXIT_USAGE, ""), "{words:?}");
        assert!(errors.contains(expected), "{words:?}: {errors}");
    }
}
