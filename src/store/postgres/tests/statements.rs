//! Every named statement is prepared and run, with values of the types that its parameters have.

use super::open;
use crate::store::Opened;
use crate::store::query;
use crate::store::value::{ToValue, Value};
use std::path::Path;

struct Given(Value<'static>);

impl ToValue for Given {
    fn to_value(&self) -> Value<'_> {
        self.0
    }
}

/// A value of a type, by the type's number.
fn given(kind: u32) -> Option<Given> {
    Some(Given(match kind {
        17 => Value::Blob(&[7; 32]),
        20 | 23 => Value::Integer(1),
        25 => Value::Text("2026-11-23 15:00:00.000000"),
        _ => return None,
    }))
}

/// The statement of this name in each file, and whether there was one.
fn each_statement(mut check: impl FnMut(&str, &str, &'static str)) -> usize {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let mut count = 0;
    for folder in [directory.clone(), directory.join("postgres")] {
        for entry in std::fs::read_dir(folder).expect("is there") {
            let path = entry.expect("reads").path();
            let stem = path.file_stem().expect("has a name").to_string_lossy().into_owned();
            if path.is_dir() || ["migrate", "copy", "adopt"].contains(&stem.as_str()) {
                continue;
            }
            let file: &'static str = std::fs::read_to_string(&path).expect("reads").leak();
            for name in query::names(file) {
                check(&stem, name, query::query(file, name));
                count += 1;
            }
        }
    }
    count
}

#[test]
fn every_named_statement_prepares_and_runs() {
    let Some((store, _)) = open() else { return };
    let Opened::Postgres(postgres) = &*store.engine else { panic!("it is a PostgreSQL") };
    let (mut connection, _) = postgres.pool.lend().expect("connects");
    let mut problems = Vec::new();
    let checked = each_statement(|file, name, text| {
        connection.simple("BEGIN READ WRITE").expect("begins");
        let described = match connection.describe(text) {
            Ok(described) => described,
            Err(error) => {
                problems.push(format!("{file}, {name}: does not prepare: {error}"));
                connection.simple("ROLLBACK").expect("rolls back");
                return;
            }
        };
        let values: Option<Vec<_>> =
            described.into_iter().map(|(name, kind)| Some((&*name.leak(), given(kind)?))).collect();
        match values {
            None => problems.push(format!("{file}, {name}: a parameter has a type that nothing here has")),
            Some(values) => {
                let params: Vec<(&'static str, &dyn ToValue)> =
                    values.iter().map(|(name, value)| (*name, value as &dyn ToValue)).collect();
                if let Err(error) = connection.run(None, text, &params) {
                    // What a value of no meaning violates was looked at by the server, so the statement ran.
                    let is_violation = error.to_string().contains("reports 23");
                    if !is_violation {
                        problems.push(format!("{file}, {name}: does not run: {error}"));
                    }
                }
            }
        }
        connection.simple("ROLLBACK").expect("rolls back");
    });
    assert!(checked > 140, "only {checked} statements were found");
    assert_eq!(problems, [""; 0]);
}
