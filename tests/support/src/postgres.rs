//! Tests on PostgreSQL: each test server has a schema of its own on the server that `make test-postgres` starts and names.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const VARIABLE: &str = "TEST_POSTGRES";
/// Characters of a directory's name that a schema's has.
const NAME_CHARACTERS_MAX: usize = 60;

/// Whether tests run on PostgreSQL.
#[must_use]
pub fn is_meant() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// A schema on the server.
pub struct Schema {
    server: String,
    name: String,
}

/// The schema of the test server whose files lie in this directory; nothing where tests run on SQLite.
pub fn of(directory: &Path) -> Option<Schema> {
    let server = std::env::var(VARIABLE).ok()?;
    let name = directory.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.replace(|character: char| !character.is_ascii_alphanumeric(), "_");
    // A name has 63 characters at most; the end is what tests differ in.
    let name = &name[name.len().saturating_sub(NAME_CHARACTERS_MAX)..];
    Some(Schema { server, name: format!("s_{}", name.trim_start_matches('_')) })
}

impl Schema {
    /// The URL that leads to it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}&search_path={}", self.server, self.name)
    }

    /// Makes it of a dump of the usual schema, and changes it then.
    ///
    /// # Panics
    /// If the dump or the change is not sound.
    pub fn is_made_of(&self, dump: &str, change: &str) {
        let here = dump.replace("public.", &format!("{}.", self.name));
        let script = format!(
            "SET client_min_messages = error;\nDROP SCHEMA IF EXISTS {0} CASCADE;\nCREATE SCHEMA {0};\n{here}\nSET search_path = {0};\n{change}",
            self.name
        );
        let mut psql =
            self.psql().stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("psql can be started");
        let mut input = psql.stdin.take().expect("is a pipe");
        input.write_all(script.as_bytes()).expect("psql reads");
        drop(input);
        assert!(psql.wait().expect("ends").success(), "{change}");
    }

    /// Whether this text, without quotes, stands in any value of any table, be it as text or as bytes.
    #[must_use]
    pub fn has(&self, text: &str) -> bool {
        let bytes = text.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat();
        let found = self.runs(&format!(
            "SET xmlbinary = hex; SELECT bool_or(rows LIKE '%{text}%' OR rows LIKE '%{bytes}%') FROM (
                 SELECT query_to_xml(format('SELECT * FROM %I', relname), TRUE, FALSE, '')::text AS rows FROM pg_class
                 WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r') each_table"
        ));
        found.as_deref() == Some("t")
    }

    /// Runs a statement; the text that it yields first.
    ///
    /// # Panics
    /// If the statement is not sound.
    #[must_use]
    pub fn runs(&self, statement: &str) -> Option<String> {
        let statement = &in_postgres_words(statement);
        let output = self.psql().args(["--command", statement]).output().expect("psql can be started");
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().next().filter(|line| *line != "(null)").map(str::to_owned)
    }
}

impl Schema {
    fn psql(&self) -> Command {
        let mut command = Command::new("psql");
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "-v",
            "ON_ERROR_STOP=1",
            "-P",
            "null=(null)",
        ]);
        // The port is in the environment.
        let server = self.server.split("/.s.PGSQL.").collect::<Vec<_>>();
        let server = server.first().copied().unwrap_or_default();
        command.args(["--dbname", server]);
        command.env("PGOPTIONS", format!("-c search_path={},public", self.name));
        command
    }
}

/// The few words of SQLite's that tests say what they change and look at with, in those of PostgreSQL; tools/test-postgres.sh makes
/// functions for others.
fn in_postgres_words(statement: &str) -> String {
    let statement = statement.trim();
    if let Some(name) = statement.strip_prefix("DROP TRIGGER ") {
        return format!("DROP FUNCTION of_{}() CASCADE", name.trim_end_matches(';'));
    }
    if let (true, Some((head, body))) =
        (statement.starts_with("CREATE TRIGGER "), statement.split_once(" BEGIN "))
    {
        let name = head.split_whitespace().nth(2).unwrap_or_default();
        // Events get their numbers, and their places, after the write that leaves them.
        let head = head.replace(" ON events", " ON event_queue").replace(" full ", " \"full\" ");
        let body = body.trim_end_matches("END").replace("SELECT RAISE(IGNORE);", "RETURN NULL;");
        let body = body.replace("SELECT RAISE(ABORT, 'full');", "RAISE EXCEPTION 'full';");
        return format!(
            "CREATE FUNCTION of_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN coalesce(NEW, OLD); END $$; \
             {head} FOR EACH ROW EXECUTE FUNCTION of_{name}()"
        );
    }
    // Bytes.
    let mut pieces = statement.split("x'");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let is_bytes = piece
            .split('\'')
            .next()
            .is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        text.push_str(if is_bytes && !text.ends_with(|before: char| before.is_alphanumeric()) {
            "'\\x"
        } else {
            "x'"
        });
        text.push_str(piece);
    }
    text
}
