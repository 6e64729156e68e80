//! Copies a database into a new one, of the same engine or the other: every table row by row, so that a copy takes no more memory
//! for many rows than for one. What has arrived is read again and compared before the copy counts as made.

use super::copy_end::{End, FROM, Parts, TO, Table, Work};
use super::error::StoreError;
use super::location::Location;
use super::{postgres, sqlite};
use crate::clock::Clock;
use crate::problem;
use crate::problem::Problem;
use crate::rng::Rng;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The tables whose rows are numbered, and the column with the number. One that was given is not given again.
const NUMBERED: [(&str, &str); 5] = [
    ("users", "user_id"),
    ("groups", "group_id"),
    ("preferences", "pref_id"),
    ("email_queue", "email_id"),
    ("events", "seq"),
];
/// How many rows each table has that was copied.
pub type Copied = Vec<(&'static str, u64)>;

/// Copies a database into one that does not exist yet, or holds nothing. Nobody may use either meanwhile.
///
/// # Errors
///
/// One line for the operator. Nothing was copied then, unless it says that nobody knows.
pub fn copy(
    from: &Location,
    to: &Location,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> Result<Copied, Problem> {
    let tables = sqlite::copy::tables().map_err(|error| Problem::of(&error))?;
    let mut copied = Copied::new();
    let mut into = |source: &mut dyn End| {
        let mut fill = |target: &mut dyn End| {
            copied = copy_tables(source, target, &tables)?;
            Ok(())
        };
        write(to, (clock, rng), &mut fill)
    };
    read(from, (clock, rng), &mut into)?;
    Ok(copied)
}

fn read(from: &Location, parts: Parts<'_>, work: &mut Work<'_>) -> Result<(), Problem> {
    match from {
        Location::File(path) => sqlite::copy::read(path, work),
        Location::Postgres(target) => postgres::copy::read(target, parts, work),
    }
}

fn write(to: &Location, parts: Parts<'_>, work: &mut Work<'_>) -> Result<(), Problem> {
    match to {
        Location::File(path) => sqlite::copy::write(path, work),
        Location::Postgres(target) => postgres::copy::write(target, parts, work),
    }
}

/// How many rows there were, and what was in them, in whichever order they came.
#[derive(Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    hash: [u8; 32],
}

impl Sum {
    fn add(&mut self, row: &[u8]) {
        self.rows += 1;
        // No two rows of a table are the same.
        for (sum, byte) in self.hash.iter_mut().zip(Sha256::digest(row)) {
            *sum ^= byte;
        }
    }
}

fn copy_tables(source: &mut dyn End, target: &mut dyn End, tables: &[Table]) -> Result<Copied, Problem> {
    let mut sums = Vec::with_capacity(tables.len());
    for table in tables {
        let (mut sum, mut is_taken) = (Sum::default(), true);
        let copied = source.rows(table, &mut |row| {
            sum.add(row);
            let taken = target.insert(table, row);
            is_taken = taken.is_ok();
            taken
        });
        copied.map_err(|error| at(if is_taken { FROM } else { TO }, table.name, &error))?;
        target.finish(table).map_err(|error| at(TO, table.name, &error))?;
        sums.push(sum);
    }
    for (table, column) in NUMBERED {
        let highest = source.highest(table, column).map_err(|error| at(FROM, table, &error))?;
        target.set_highest(table, column, highest).map_err(|error| at(TO, table, &error))?;
    }
    target.settle().map_err(|error| at(TO, "all tables", &error))?;
    let mut copied = Copied::new();
    for (table, sum) in tables.iter().zip(sums) {
        let mut arrived = Sum::default();
        let read = target.rows(table, &mut |row| {
            arrived.add(row);
            Ok(())
        });
        read.map_err(|error| at(TO, table.name, &error))?;
        if arrived != sum {
            return Err(problem!(
                "{}, {}: what has arrived is not what was read; nothing was copied",
                TO,
                table.name
            ));
        }
        copied.push((table.name, sum.rows));
    }
    Ok(copied)
}

fn at(end: &'static str, table: &'static str, error: &StoreError) -> Problem {
    problem!("{}, {}: {}; nothing was copied", end, table, error)
}

#[cfg(test)]
mod tests;
