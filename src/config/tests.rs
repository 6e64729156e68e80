//! How settings come together, told as stories of operators.

use super::*;
use crate::clock::Timestamp;
use crate::guard::redact::PiiSalt;
use crate::rng::SeededRng;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Whether personal data is hashed with this salt.
fn has_salt(config: &Config, salt: &[u8]) -> bool {
    let salt = PiiSalt::parse(std::str::from_utf8(salt).expect("text")).expect("a salt");
    config.pii_salt.redact("somebody").to_string() == salt.redact("somebody").to_string()
}

/// Whether messages are sealed with this key.
fn has_key(config: &Config, key: &str) -> bool {
    let sealed = Keyring::parse(key).expect("a key").first().seal(b"a message", Timestamp::MAX);
    config.secret.open(&sealed).is_some()
}

/// An operator with a directory of their own, an environment, and a command line.
struct Operator {
    room: tempfile::TempDir,
    environment: Environment,
}

impl Operator {
    /// Has set nothing at all.
    fn new() -> Self {
        let room = tempfile::tempdir().expect("a directory");
        let directory = room.path().to_owned();
        let environment = Environment { arguments: vec![], variables: BTreeMap::new(), directory };
        Self { room, environment }
    }

    /// Has set what every server needs.
    fn ready() -> Self {
        Self::new()
            .sets("AUTHNZERVER_AUTHDB", "sqlite:///db.sqlite")
            .sets("AUTHNZERVER_SECRET", KEY)
            .sets("AUTHNZERVER_PIISALT", "none")
    }

    fn sets(mut self, name: &str, value: &str) -> Self {
        self.environment.variables.insert(name.into(), value.into());
        self
    }

    fn writes(self, name: &str, text: &str, mode: u32) -> Self {
        let path = self.room.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the room")).expect("a directory");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("owned");
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    fn types(&self, words: &[&str]) -> Result<Startup, Problems> {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        load(&Invocation::parse(&words)?, &self.environment)
    }

    fn starts(&self, words: &[&str]) -> Startup {
        self.types(words).unwrap_or_else(|problems| panic!("refused:\n{problems}"))
    }

    fn is_refused(&self, words: &[&str]) -> String {
        self.types(words).err().expect("something is wrong").to_string()
    }

    fn client(&self, words: &[&str], url: Option<&str>) -> Result<ClientSettings, Problems> {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        load_for_client(&Invocation::parse(&words)?, &self.environment, url)
    }
}

#[test]
fn every_default_is_a_good_value_and_the_original_ones_are_kept() {
    let operator = Operator::ready();
    let loaded = operator.starts(&[]);
    let config = &loaded.config;
    assert_eq!(config.base_directory, operator.room.path());
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(config.allowed_hosts, ["localhost", "127.0.0.1"]);
    assert_eq!((config.listen.to_string().as_str(), config.port, config.workers), ("127.0.0.1", 13431, 4));
    assert_eq!((config.session_keep_days, config.user_lock_tries, config.user_lock_seconds), (30, 10, 3600));
    assert_eq!((config.email_server.as_str(), config.email_port), ("localhost", 25));
    assert_eq!(config.database.path(), Some(Path::new("db.sqlite")));
    assert!(!config.debug_mode && config.permissions_file.is_none() && config.tls_key_file.is_none());
    assert_eq!(config.email_user, "authnzerver");
    assert_eq!(loaded.admin.email, "admin@localhost");
    assert!(loaded.admin.password.is_none());
}

#[test]
fn variables_win_over_the_command_line_and_blank_ones_do_not() {
    let operator = Operator::ready().sets("AUTHNZERVER_PORT", "2").sets("AUTHNZERVER_LISTEN", "  ");
    let loaded = operator.starts(&["--port=3", "--listen=::1"]);
    assert_eq!((loaded.config.port, loaded.config.listen.to_string().as_str()), (2, "::1"));
    assert_eq!(loaded.warnings, ["port: AUTHNZERVER_PORT in the environment counts, not --port"]);
    let operator = operator.sets("PORT", "1");
    assert_eq!(operator.starts(&[]).config.port, 1);
    let operator = operator.sets("PORT", "");
    assert_eq!(operator.starts(&[]).config.port, 2);
    let operator = operator.sets("PORT", "2");
    assert!(operator.starts(&[]).warnings.is_empty());
}

#[test]
fn a_file_of_variables_stands_in_place_of_the_environment() {
    let text = format!(
        "AUTHNZERVER_AUTHDB=\"a b.sqlite\"\nexport AUTHNZERVER_SECRET={KEY}\nauthnzerver_piisalt: s\n"
    );
    let operator = Operator::ready().sets("AUTHNZERVER_PORT", "2").writes("my.env", &text, 0o600);
    let loaded = operator.starts(&["--envfile=my.env", "--port=3"]);
    assert_eq!((loaded.config.port, loaded.config.database.path()), (3, Some(Path::new("a b.sqlite"))));
    assert!(has_salt(&loaded.config, b"s"));
    let warning = loaded.warnings.join("\n");
    assert!(
        warning.as_str().contains("AUTHNZERVER_PORT") && warning.contains("stands in its place"),
        "{warning}"
    );
    assert!(!warning.contains(KEY) && !warning.as_str().contains("AUTHNZERVER_SECRET"), "{warning}");
    assert!(operator.is_refused(&["--envfile=none.env"]).contains("none.env cannot be read"));
}

#[test]
fn the_file_that_a_python_installation_wrote_is_understood() {
    let operator = Operator::new();
    let base = operator.room.path().display().to_string();
    let text = [
        "AUTHNZERVER_ALLOWEDHOSTS=localhost;127.0.0.1",
        "AUTHNZERVER_AUTHDB=sqlite:///@/.authdb.sqlite",
        "AUTHNZERVER_BASEDIR=@",
        "AUTHNZERVER_DEBUGMODE=0",
        "AUTHNZERVER_LISTEN=127.0.0.1",
        "AUTHNZERVER_PERMISSIONS=@/default-permissions-model.json",
        "PORT=13431",
        "AUTHNZERVER_PORT=13431",
        "AUTHNZERVER_SECRET=@/.authnzerver-secret-key",
        "AUTHNZERVER_PIISALT=@/.authnzerver-salt",
        "AUTHNZERVER_PASSPOLICY=min_pass_length:12; max_unsafe_similarity:50; max_char_frequency:0.3; min_pwned_matches:25",
        "AUTHNZERVER_EMAILUSER=root",
        "AUTHNZERVER_EMAILPASS=",
        "AUTHNZERVER_EMAILSENDER=Authnzerver <authnzerver@localhost>",
        "AUTHNZERVER_TLSCERTFILE=",
    ]
    .join("\n")
    .replace('@', &base)
    .replace(&format!("authnzerver{base}localhost"), "authnzerver@localhost");
    let operator = operator
        .writes(".env", &text, 0o644)
        .writes("default-permissions-model.json", "{}", 0o644)
        .writes(".authnzerver-secret-key", KEY, 0o400)
        .writes(".authnzerver-salt", "salt\n", 0o400);
    let confvars = format!("--confvars={base}/confvars.py");
    let loaded =
        operator.starts(&[&format!("--basedir={base}"), &confvars, &format!("--envfile={base}/.env")]);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.database.path(), Some(&*operator.path(".authdb.sqlite")));
    assert!(has_key(&loaded.config, KEY) && has_salt(&loaded.config, b"salt"));
    assert_eq!(loaded.config.permissions_file, Some(operator.path("default-permissions-model.json")));
    assert_eq!(loaded.config.email_user, "root");
}

#[test]
fn everything_wrong_is_told_at_once_and_secrets_are_not_repeated() {
    let operator = Operator::new()
        .sets("AUTHNZERVER_AUTHDB", "postgresql://me:hidden@host/db?sslmode=prefer")
        .sets("AUTHNZERVER_SECRET", "hidden")
        .sets("AUTHNZERVER_PORT", "70\n000")
        .sets("AUTHNZERVER_TLSCERTFILE", "missing.pem");
    let text = operator.is_refused(&["--userlocktries=0", "--emailtls=perhaps"]);
    for part in [
        "authdb: the value from AUTHNZERVER_AUTHDB in the environment is refused; it must be a URL with sslmode=verify-full",
        "secret: the value from AUTHNZERVER_SECRET in the environment is refused; it must be 32 bytes",
        "port: `70\\n000` from AUTHNZERVER_PORT in the environment is refused; it must be a whole number from 0",
        "piisalt: missing; set AUTHNZERVER_PIISALT or --piisalt",
        "userlocktries: `0` from --userlocktries is refused; it must be a whole number from 1 to 1000",
        "emailtls: `perhaps` from --emailtls is refused",
        "missing.pem\", which cannot be read",
        "tlscertfile and tlscertkey: one without the other",
        "--autosetup",
    ] {
        assert!(text.contains(part), "{part}\n--\n{text}");
    }
    assert!(!text.contains("hidden"), "{text}");
}

#[test]
fn what_is_kept_of_a_file_is_bounded_and_means_nothing_to_a_postgresql() {
    let sizes =
        |operator: Operator| operator.sets("AUTHNZERVER_CACHESIZE", "64").sets("AUTHNZERVER_MMAPSIZE", "1");
    let Startup { config, warnings, .. } = sizes(Operator::ready()).starts(&[]);
    assert_eq!((config.page_cache_mib, config.mapped_mib, warnings.len()), (64, 1, 0));
    let shared = sizes(Operator::ready()).sets("AUTHNZERVER_AUTHDB", "postgresql://u@localhost/d");
    let warned = shared.starts(&[]).warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for name in ["cachesize", "mmapsize"] {
        assert!(warned.contains(&format!("{name}: it is for SQLite")), "{warned}");
    }
    for (name, value) in [("CACHESIZE", "0"), ("CACHESIZE", "auto"), ("MMAPSIZE", "2048"), ("MMAPSIZE", "-1")]
    {
        let refused = Operator::ready().sets(&format!("AUTHNZERVER_{name}"), value).is_refused(&[]);
        assert!(refused.contains("must be a whole number from "), "{refused}");
    }
}

#[test]
fn a_secret_may_lie_in_a_file_that_only_the_owner_can_read() {
    let salt = "  with blanks \n\n";
    let operator = Operator::ready()
        .sets("HOME", "/nowhere")
        .sets("AUTHNZERVER_SECRET", "[[basedir]]/key")
        .sets("AUTHNZERVER_AUTHDB", "sqlite:///[[basedir]]/db")
        .sets("AUTHNZERVER_PIISALT", "salt")
        .writes("key", &format!("\r\n\"{KEY}\"\n"), 0o440)
        .writes("salt", salt, 0o600);
    let loaded = operator.starts(&[]);
    assert!(has_key(&loaded.config, KEY));
    assert!(has_salt(&loaded.config, b"  with blanks "));
    assert_eq!(loaded.config.database.path(), Some(&*operator.path("db")));
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].as_str().contains("key can be read by others"), "{:?}", loaded.warnings);
}

#[test]
fn what_looks_like_a_path_does_not_become_the_secret() {
    for path in ["/nowhere/salt", "./salt", "../salt", "~/salt", "[[basedir]]/salt"] {
        let text = Operator::ready().sets("AUTHNZERVER_PIISALT", path).is_refused(&[]);
        assert!(
            text.contains("piisalt: AUTHNZERVER_PIISALT in the environment looks like the path"),
            "{text}"
        );
        assert!(!text.contains("nowhere"), "{text}");
    }
    let slashed = "/wpJ0Uh1qDPAyTvjgAdZuzIuanuNR5oR+n/+/Rh0H/w=";
    let loaded = Operator::ready().sets("AUTHNZERVER_PIISALT", slashed).starts(&[]);
    assert!(has_salt(&loaded.config, slashed.as_bytes()));
    let operator = Operator::ready().writes("directory/x", "", 0o600).writes("empty", "\n", 0o600);
    let operator = operator.sets("AUTHNZERVER_PIISALT", "directory").sets("AUTHNZERVER_SECRET", "empty");
    let text = operator.is_refused(&[]);
    assert!(text.contains("directory") && text.contains("empty, which is empty"), "{text}");
}

#[test]
fn a_secret_on_the_command_line_draws_a_warning() {
    let operator = Operator::ready().sets("AUTHNZERVER_SECRET", "").writes("key", KEY, 0o400);
    let warnings = operator.starts(&["--secret", KEY]).warnings.join("\n");
    assert!(warnings.contains("--secret shows the secret") && !warnings.contains(KEY), "{warnings}");
    assert!(operator.starts(&["--secret", "key"]).warnings.is_empty());
    assert!(!operator.starts(&["--secret=key", "--emailpass=x"]).warnings.is_empty());
}

#[test]
fn a_secret_in_a_file_that_others_can_read_draws_a_warning() {
    let text = format!("AUTHNZERVER_AUTHDB=x\nAUTHNZERVER_SECRET={KEY}\nAUTHNZERVER_PIISALT=none");
    let operator = Operator::new().writes("open.env", &text, 0o644).writes("closed.env", &text, 0o600);
    let warnings = operator.starts(&["--envfile=open.env"]).warnings.join("\n");
    assert!(warnings.contains("open.env holds a secret") && !warnings.contains(KEY), "{warnings}");
    assert!(operator.starts(&["--envfile=closed.env"]).warnings.is_empty());
}

#[test]
fn systemd_hands_over_credentials_after_all_other_sources() {
    let operator = Operator::ready()
        .writes("credentials/secret", &format!("{KEY}\n"), 0o440)
        .writes("credentials/piisalt", "from systemd\n", 0o440)
        .writes("credentials/tlscertkey", "a key", 0o440)
        .writes("credentials/tlscertfile", "a certificate", 0o440)
        .sets("AUTHNZERVER_SECRET", "");
    let directory = operator.path("credentials").display().to_string();
    let operator = operator.sets("CREDENTIALS_DIRECTORY", &directory);
    let loaded = operator.starts(&[]);
    assert!(has_key(&loaded.config, KEY) && has_salt(&loaded.config, b"none"));
    assert_eq!(loaded.config.tls_key_file, Some(operator.path("credentials/tlscertkey")));
    let loaded = operator.sets("AUTHNZERVER_PIISALT", "").starts(&["--port=1"]);
    assert!(has_salt(&loaded.config, b"from systemd"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn a_misspelt_variable_is_an_error_in_our_file_and_a_warning_around_us() {
    let operator = Operator::ready().sets("AUTHNZERVER_PROT", "1").sets("AUTHNZERVER_URL", "http://x/");
    let operator = operator.sets("AUTHNZERVER_ADMIN_PASSWORD", "hidden");
    let loaded = operator.starts(&[]);
    assert_eq!(
        loaded.warnings,
        ["`AUTHNZERVER_PROT` in the environment is not a setting; perhaps AUTHNZERVER_PORT?"]
    );
    let operator = operator.writes("x.env", "OTHER=1\nAUTHNZERVER_SECRETKEY=hidden\n", 0o600);
    let text = operator.is_refused(&["--envfile=x.env"]);
    assert!(text.contains("x.env line 2) is not a setting; perhaps AUTHNZERVER_SECRET?"), "{text}");
    assert!(!text.contains("OTHER") && !text.contains("hidden"), "{text}");
}

#[test]
fn a_setting_of_old_versions_is_ignored_wherever_it_stands() {
    let expected = "AUTHNZERVER_CACHEDIR is ignored: nothing is cached on disk";
    let operator = Operator::ready().sets("AUTHNZERVER_CACHEDIR", "/tmp/authnzerver-cache");
    assert_eq!(operator.starts(&[]).warnings, [expected]);
    let text = format!("AUTHNZERVER_AUTHDB=x.sqlite\nAUTHNZERVER_SECRET={KEY}\nAUTHNZERVER_PIISALT=none\n");
    let operator = Operator::new().writes("x.env", &(text + "AUTHNZERVER_CACHEDIR=/tmp/c\n"), 0o600);
    assert_eq!(operator.starts(&["--envfile=x.env"]).warnings, [expected]);
}

#[test]
fn variables_that_are_not_text_are_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let mut operator = Operator::ready();
    let odd = OsString::from_vec(vec![0xff]);
    operator.environment.variables.insert("AUTHNZERVER_PORT".into(), odd.clone());
    assert!(operator.is_refused(&[]).contains("port: AUTHNZERVER_PORT in the environment is not UTF-8 text"));
    let mut operator = Operator::ready();
    operator.environment.variables.insert("UNRELATED".into(), odd.clone());
    operator.environment.variables.insert(odd.clone(), odd);
    operator.starts(&[]);
}

#[test]
fn the_first_administrator_is_chosen_by_variables_even_beside_a_file() {
    let operator =
        Operator::ready().sets("USER", "root").sets("AUTHNZERVER_ADMIN_PASSWORD", " kept as it is ").writes(
            "my.env",
            &format!("AUTHNZERVER_AUTHDB=x\nAUTHNZERVER_SECRET={KEY}\nAUTHNZERVER_PIISALT=none"),
            0o600,
        );
    let loaded = operator.starts(&["--envfile=my.env"]);
    assert_eq!(loaded.admin.email, "root@localhost");
    assert!(loaded.admin.password.expect("given").matches(b" kept as it is "));
    assert_eq!(loaded.config.email_user, "root");
    let operator = operator.sets("AUTHNZERVER_ADMIN_EMAIL", "not an address");
    assert!(operator.is_refused(&[]).contains("AUTHNZERVER_ADMIN_EMAIL is not an e-mail address"));
    let operator = operator.sets("AUTHNZERVER_ADMIN_EMAIL", "me@example.org");
    assert_eq!(operator.starts(&[]).admin.email, "me@example.org");
}

#[test]
fn a_base_directory_on_the_command_line_is_all_that_a_server_needs() {
    let operator = Operator::new();
    let words = ["--basedir=run".into()];
    let invocation = Invocation::parse(&words).expect("a good command line");
    let make =
        |seed| make_what_is_missing(&invocation, &operator.environment, &SeededRng::new(seed)).expect("made");
    assert!(operator.is_refused(&["--basedir=run"]).contains("secret: the base directory has no file"));
    assert!(!operator.path("run").exists(), "reading makes nothing");
    assert_eq!(make(1).len(), 3);
    assert!(make(2).is_empty());
    let loaded = operator.starts(&["--basedir=run", "--port=1"]);
    assert_eq!(loaded.config.database.path(), Some(&*operator.path("run/.authdb.sqlite")));
    assert_eq!(loaded.config.base_directory, operator.path("run"));
    let key = fs::read(operator.path("run/.authnzerver-secret-key")).expect("made");
    assert!(has_key(&loaded.config, &String::from_utf8(key).expect("text")) && loaded.warnings.is_empty());

    let text =
        format!("AUTHNZERVER_AUTHDB=other.sqlite\nAUTHNZERVER_SECRET={KEY}\nAUTHNZERVER_PIISALT=none\n");
    let operator = operator.writes("run/.env", &text, 0o600);
    let loaded = operator.starts(&["--basedir=run"]);
    assert_eq!(loaded.config.database.path(), Some(Path::new("other.sqlite")));
}

#[test]
fn a_file_of_variables_may_leave_the_required_settings_to_the_base_directory() {
    let operator = Operator::new().writes("port.env", "AUTHNZERVER_PORT=7\n", 0o600);
    let words = ["--basedir=run", "--envfile=port.env"];
    let invocation = Invocation::parse(&words.map(Into::into)).expect("a good command line");
    let made = make_what_is_missing(&invocation, &operator.environment, &SeededRng::new(1)).expect("made");
    assert_eq!(made.len(), 3);
    let loaded = operator.starts(&words);
    assert_eq!(
        (loaded.config.port, loaded.config.database.path()),
        (7, Some(&*operator.path("run/.authdb.sqlite")))
    );
    let client = operator.client(&words, None).expect("the same");
    assert_eq!(client.url, "http://127.0.0.1:7/");
    assert!(
        operator.is_refused(&["--envfile=port.env"]).contains("secret: missing"),
        "no base directory is given"
    );
    let operator = operator.writes("half.env", "AUTHNZERVER_PIISALT=none\n", 0o600);
    let loaded = operator.starts(&["--basedir=run", "--envfile=half.env"]);
    assert!(
        has_salt(&loaded.config, b"none")
            && loaded.config.database.path() == Some(&*operator.path("run/.authdb.sqlite"))
    );
}

#[test]
fn each_required_setting_that_nothing_gives_comes_from_the_base_directory() {
    for (name, value) in [("AUTHDB", "x.sqlite"), ("SECRET", KEY), ("PIISALT", "none")] {
        let operator = Operator::new().sets(&format!("AUTHNZERVER_{name}"), value);
        let invocation = Invocation::parse(&["--basedir=run".into()]).expect("a good command line");
        let make =
            || make_what_is_missing(&invocation, &operator.environment, &SeededRng::new(1)).expect("made");
        assert_eq!(make().len(), if name == "AUTHDB" { 3 } else { 2 }, "{name}");
        assert_eq!(operator.path("run/.authnzerver-secret-key").exists(), name != "SECRET");
        assert_eq!(operator.path("run/.authnzerver-salt").exists(), name != "PIISALT");
        let loaded = operator.starts(&["--basedir=run"]);
        let in_base = loaded.config.database.path() == Some(&*operator.path("run/.authdb.sqlite"));
        assert_eq!(in_base, name != "AUTHDB", "{name}");
        assert_eq!(has_key(&loaded.config, KEY), name == "SECRET");
        assert_eq!(has_salt(&loaded.config, b"none"), name == "PIISALT");
    }
    let all = [("AUTHDB", "x.sqlite"), ("SECRET", KEY), ("PIISALT", "none")];
    let operator = all.iter().fold(Operator::new(), |operator, (name, value)| {
        operator.sets(&format!("AUTHNZERVER_{name}"), value)
    });
    let invocation = Invocation::parse(&["--basedir=run".into()]).expect("a good command line");
    let notes = make_what_is_missing(&invocation, &operator.environment, &SeededRng::new(1));
    assert!(notes.expect("nothing to do").is_empty() && !operator.path("run").exists());
    let text = Operator::new().sets("AUTHNZERVER_BASEDIR", "/x").is_refused(&[]);
    assert!(text.contains("secret: missing"), "{text}");
    assert!(
        Operator::ready()
            .is_refused(&["--basedir=[[homedir]]"])
            .contains("cannot stand in the base directory")
    );
}

#[test]
fn the_base_directorys_own_variables_fill_in_what_nothing_else_gives() {
    let text = format!(
        "AUTHNZERVER_AUTHDB=other.sqlite\nAUTHNZERVER_SECRET={KEY}\nAUTHNZERVER_PIISALT=none\nAUTHNZERVER_PORT=7\n"
    );
    let other = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let operator = Operator::new().writes("run/.env", &text, 0o600).sets("AUTHNZERVER_SECRET", other);
    let loaded = operator.starts(&["--basedir=run"]);
    assert!(has_key(&loaded.config, other) && !has_key(&loaded.config, KEY));
    assert_eq!((loaded.config.database.path(), loaded.config.port), (Some(Path::new("other.sqlite")), 7));
    let operator = operator.writes("run/.env", &text.replace("PORT", "PROT"), 0o600);
    assert!(operator.is_refused(&["--basedir=run"]).contains("perhaps AUTHNZERVER_PORT"));
}

#[test]
fn a_client_needs_only_the_key() {
    let operator = Operator::new().sets("AUTHNZERVER_SECRET", KEY);
    let url = |operator: &Operator, words: &[&str], url| operator.client(words, url).expect("enough").url;
    assert_eq!(url(&operator, &[], None), "http://127.0.0.1:13431/");
    assert_eq!(url(&operator, &["--listen=0.0.0.0", "--port=1"], None), "http://127.0.0.1:1/");
    assert_eq!(url(&operator, &["--listen=::", "--tlscertfile=x"], None), "https://[::1]:13431/");
    let operator = operator.sets("AUTHNZERVER_URL", "\"http://example.org:5/\"");
    assert_eq!(url(&operator, &[], None), "http://example.org:5/");
    assert_eq!(url(&operator, &[], Some("https://x/")), "https://x/");
    assert!(operator.client(&[], Some("ftp://x/")).is_err());
    assert!(Operator::new().client(&[], None).err().expect("no key").to_string().contains("secret: missing"));
}

#[test]
fn variables_of_docker_and_of_lines_that_end_in_two_characters_are_taken_as_meant() {
    let operator = Operator::new()
        .sets("AUTHNZERVER_AUTHDB", "\"sqlite:///db.sqlite\"")
        .sets("AUTHNZERVER_SECRET", &format!("'{KEY}'\r"))
        .sets("AUTHNZERVER_PIISALT", "salt\r")
        .sets("AUTHNZERVER_PORT", "\"8080\"\r")
        .sets("AUTHNZERVER_EMAILPASS", "\"\"in quotes\"\"")
        .sets("AUTHNZERVER_EMAILUSER", "\"half")
        .sets("AUTHNZERVER_LISTEN", "\"\"\r");
    let loaded = operator.starts(&[]);
    assert_eq!((loaded.config.database.path(), loaded.config.port), (Some(Path::new("db.sqlite")), 8080));
    assert!(has_key(&loaded.config, KEY) && has_salt(&loaded.config, b"salt"));
    assert!(loaded.config.email_password.matches(b"\"in quotes\""));
    assert_eq!(loaded.config.email_user, "\"half");
    let warnings = loaded.warnings.join("\n");
    assert!(warnings.contains("AUTHNZERVER_SECRET in the environment: the quotes around it"), "{warnings}");
    assert!(!warnings.contains("PIISALT") && !warnings.contains(KEY), "{warnings}");
}

#[test]
fn the_address_of_a_service_in_kubernetes_is_not_taken_for_a_port() {
    let operator = Operator::ready()
        .sets("AUTHNZERVER_PORT", "tcp://10.96.0.7:13431")
        .sets("AUTHNZERVER_SERVICE_HOST", "10.96.0.7")
        .sets("AUTHNZERVER_SERVICE_PORT", "13431")
        .sets("AUTHNZERVER_SERVICE_PORT_HTTP", "13431")
        .sets("AUTHNZERVER_PORT_13431_TCP", "tcp://10.96.0.7:13431")
        .sets("AUTHNZERVER_PORT_13431_TCP_ADDR", "10.96.0.7");
    let loaded = operator.starts(&[]);
    assert_eq!(loaded.config.port, 13431);
    let [warning] = loaded.warnings.as_slice() else { panic!("{:?}", loaded.warnings) };
    assert!(warning.as_str().contains("AUTHNZERVER_PORT in the environment is passed over"), "{warning}");
    assert_eq!(operator.starts(&["--port=1"]).config.port, 1);
    assert!(Operator::ready().sets("AUTHNZERVER_PORT", "http://x:1").is_refused(&[]).contains("port: "));
}

mod confvars;
