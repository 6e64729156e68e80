//! What `authnzerver doctor` found: how it is, and what to do about it.

use crate::cli::output::{Cell, Paint, Style, Table};
use serde_json::{Value, json};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// All is well.
    Ok,
    /// It works, and should be looked at.
    Warning,
    /// It does not work.
    Problem,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    const fn paint(self) -> Paint {
        match self {
            Self::Ok => Paint::Green,
            Self::Warning => Paint::Yellow,
            Self::Problem => Paint::Red,
        }
    }
}

/// One thing that was looked at.
pub(super) struct Finding {
    level: Level,
    what: String,
    advice: Option<String>,
}

/// All that was found.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// All is well with something.
    pub(super) fn ok(&mut self, what: impl Into<String>) {
        self.0.push(Finding { level: Level::Ok, what: what.into(), advice: None });
    }

    /// Something is not well.
    pub(super) fn add(&mut self, level: Level, what: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { level, what: what.into(), advice: Some(advice.into()) });
    }

    /// Lines that say themselves what to do.
    pub(super) fn extend(&mut self, level: Level, lines: impl IntoIterator<Item = impl ToString>) {
        self.0.extend(lines.into_iter().map(|line| Finding { level, what: line.to_string(), advice: None }));
    }

    /// How bad the worst is.
    pub(super) fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    /// For programs.
    pub(super) fn document(&self) -> Value {
        let checks = self.0.iter().map(|Finding { level, what, advice }| {
            json!({ "level": level.name(), "what": what, "advice": advice })
        });
        json!({ "level": self.worst().name(), "checks": checks.collect::<Vec<_>>() })
    }

    /// For people.
    pub(super) fn text(&self, style: Style) -> String {
        let mut table = Table::of_pairs();
        for Finding { level, what, advice } in &self.0 {
            let line = match advice {
                Some(advice) => format!("{what}; {advice}"),
                None => what.clone(),
            };
            table.add(vec![Cell::new(level.name()).painted(level.paint()), Cell::whole(&line)]);
        }
        table.text(style)
    }
}
