//! `authnzerver user import`: takes over the accounts of another program. The whole file is looked at before anything is
//! written.

use super::records::{Format, Records};
use crate::accounts::import::{Arrival, Found};
use crate::cli::accounts::{Local, open_local};
use crate::cli::ask::confirm;
use crate::cli::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use crate::cli::output::{JSON, Style, Table, show};
use crate::config::shown;
use crate::files::open_regular;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};

/// Accounts that are written down in one transaction.
const BATCH_ACCOUNTS: usize = 500;
/// Problems, and lines of accounts that are known, that are told one by one.
const LISTED_MAX: usize = 50;

/// Takes accounts over, or tells what would be.
///
/// # Errors
/// The file cannot be read, or something in it is wrong; then nothing was written.
pub fn import(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let name = arguments.word(0).unwrap_or_default();
    let format = Format::of(arguments.option("format"), Some(name))
        .ok_or_else(|| CommandError::cannot_tell("--format=csv or --format=jsonl is needed here"))?;
    let cannot = |error: std::io::Error| CommandError::cannot_tell(format!("{}: {error}", shown(name)));
    let mut file = open_regular(&context.environment.directory.join(name)).map_err(cannot)?.0;
    let local = open_local(arguments, context)?;
    let report = Report::of(&local, &file, format)?;
    let is_dry = arguments.has("dry-run");
    if is_dry || !report.problems.is_empty() {
        show(arguments, context, &report.document(0), &report.text(context));
        return report.verdict(arguments.has(JSON.name));
    }
    if !arguments.has(JSON.name) {
        context.streams.print(&report.text(context));
    }
    confirm(arguments, context, &format!("Import {} accounts?", report.new))?;
    file.seek(SeekFrom::Start(0)).map_err(cannot)?;
    let imported = write(&local, &file, format)?;
    show(arguments, context, &report.document(imported), &format!("{imported} accounts imported\n"));
    Ok(EXIT_DONE)
}

/// Reads the file once more, and writes the accounts down.
fn write(local: &Local, file: &File, format: Format) -> Result<usize, CommandError> {
    let mut records = Records::new(BufReader::new(file), format).map_err(CommandError::cannot_tell)?;
    let (mut batch, mut imported) = (Vec::with_capacity(BATCH_ACCOUNTS), 0);
    let changed = |line: u64, imported: usize| {
        CommandError::refused(format!(
            "line {line}: this was found to be good before, and is not any more; {imported} accounts were imported, and \
             the same command imports the rest"
        ))
    };
    while let Some(read) = records.next() {
        let record = read.map_err(|(line, _)| changed(line, imported))?;
        let found = local.look_at(&record.described())?.map_err(|_| changed(record.line, imported))?;
        if let Found::New(arrival) = found {
            batch.push(*arrival);
        }
        if batch.len() == BATCH_ACCOUNTS {
            imported += local.take_over(std::mem::take(&mut batch))?;
        }
    }
    Ok(imported + local.take_over(batch)?)
}

/// What a file has.
#[derive(Default)]
struct Report {
    records: usize,
    new: usize,
    unverified: usize,
    locked: usize,
    hashed: usize,
    /// How many have which kind of hash.
    kinds: BTreeMap<&'static str, usize>,
    /// How many have an account already, and the lines of the first.
    known: usize,
    known_lines: Vec<u64>,
    /// How many problems there are, and the first.
    problem_count: usize,
    problems: Vec<(u64, String)>,
    /// Where each address stands, and each public identifier.
    emails: HashMap<String, u64>,
    system_ids: HashMap<String, u64>,
}

impl Report {
    fn of(local: &Local, file: &File, format: Format) -> Result<Self, CommandError> {
        let mut records = Records::new(BufReader::new(file), format).map_err(CommandError::refused)?;
        let mut report = Self::default();
        while let Some(read) = records.next() {
            report.records += 1;
            let record = match read {
                Ok(record) => record,
                Err((line, problem)) => {
                    report.problem(line, problem);
                    continue;
                }
            };
            match local.look_at(&record.described())? {
                Ok(found) => report.add(record.line, &found),
                Err(problems) => {
                    for problem in problems {
                        report.problem(record.line, problem);
                    }
                }
            }
        }
        Ok(report)
    }

    fn problem(&mut self, line: u64, problem: String) {
        self.problem_count += 1;
        if self.problems.len() < LISTED_MAX {
            self.problems.push((line, problem));
        }
    }

    fn add(&mut self, line: u64, found: &Found) {
        let email = match found {
            Found::Known(email) => email,
            Found::New(arrival) => &arrival.email,
        };
        let twice = |what: &str, first: u64| format!("{what}: line {first} has it too; keep one of them");
        if let Some(first) = self.emails.insert(email.as_str().to_owned(), line) {
            return self.problem(line, twice("email", first));
        }
        match found {
            Found::Known(_) => {
                self.known += 1;
                if self.known_lines.len() < LISTED_MAX {
                    self.known_lines.push(line);
                }
            }
            Found::New(arrival) => {
                let first = arrival.system_id.clone().and_then(|id| self.system_ids.insert(id, line));
                match first {
                    Some(first) => self.problem(line, twice("system_id", first)),
                    None => self.count(arrival),
                }
            }
        }
    }

    fn count(&mut self, arrival: &Arrival) {
        self.new += 1;
        self.unverified += usize::from(!arrival.verified);
        self.locked += usize::from(arrival.locked);
        self.hashed += usize::from(arrival.is_hashed_here());
        *self.kinds.entry(arrival.kind()).or_default() += 1;
    }

    fn document(&self, imported: usize) -> Value {
        let problems: Vec<Value> = (self.problems.iter())
            .map(|(line, problem)| json!({ "line": line, "problem": problem }))
            .collect();
        json!({
            "records": self.records, "new": self.new, "known": self.known, "known_lines": self.known_lines,
            "unverified": self.unverified, "lock": self.locked, "hashed_here": self.hashed, "kinds": self.kinds,
            "problem_count": self.problem_count, "problems": problems, "imported": imported,
        })
    }

    fn text(&self, context: &Context<'_, '_>) -> String {
        let mut table = Table::of_pairs();
        table.pair("records", self.records.to_string());
        table.pair("new accounts", self.new.to_string());
        let lines: Vec<String> = self.known_lines.iter().map(u64::to_string).collect();
        let lines = match (self.known, self.known > lines.len()) {
            (0, _) => "0".to_owned(),
            (known, is_cut) => {
                format!(
                    "{known}, left as they are: lines {}{}",
                    lines.join(", "),
                    if is_cut { " …" } else { "" }
                )
            }
        };
        table.pair("known already", lines);
        table.pair("not verified", self.unverified.to_string());
        table.pair("to be locked", self.locked.to_string());
        for (kind, count) in &self.kinds {
            table.pair(&format!("password: {kind}"), count.to_string());
        }
        table.pair("to be hashed now", self.hashed.to_string());
        table.text(Style::of(context))
    }

    /// Whether the file is good; a program has read the problems already.
    fn verdict(&self, is_told: bool) -> Result<u8, CommandError> {
        if self.problem_count == 0 {
            return Ok(EXIT_DONE);
        }
        if is_told {
            return Ok(EXIT_FAILED);
        }
        let mut problems = Vec::new();
        for (line, problem) in &self.problems {
            problems.push(format!("line {line}: {problem}"));
        }
        if self.problem_count > self.problems.len() {
            problems.push(format!("and {} more", self.problem_count - self.problems.len()));
        }
        problems.push("nothing was imported".to_owned());
        Err(CommandError::failed(problems))
    }
}
