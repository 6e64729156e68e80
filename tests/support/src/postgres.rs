//! Tests on PostgreSQL: each test server has a schema of its own on the server that `make test-postgres` starts and names.

use std::path::Path;
use std::process::Command;

const VARIABLE: &str = "TEST_POSTGRES";

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
    Some(Schema { server, name: format!("s_{}", name.trim_start_matches('_')) })
}

impl Schema {
    /// The URL that leads to it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}&search_path={}", self.server, self.name)
    }

    /// Runs a statement; the text that it yields first.
    ///
    /// # Panics
    /// If the statement is not sound.
    #[must_use]
    pub fn runs(&self, statement: &str) -> Option<String> {
        let statement = &in_postgres_words(statement);
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
        command.args(["--dbname", server, "--command", statement]);
        let output = command.env("PGOPTIONS", format!("-c search_path={},public", self.name)).output();
        let output = output.expect("psql can be started");
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().next().filter(|line| *line != "(null)").map(str::to_owned)
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
