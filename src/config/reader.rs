//! Reads settings one by one and remembers everything that was wrong or odd, to be reported together.

use super::problems::{Problems, closest};
use super::sources::{Found, Source, Sources, is_address_of_service};
use super::table::{
    RETIRED_BECAUSE, RETIRED_SETTING, ReadSetting, SETTINGS, Setting, VARIABLE_PREFIX, by_name, variable_of,
};
use crate::problem;
use crate::problem::{Problem, operator_name, operator_text};

/// The first administrator's e-mail address and password. Not settings: they count once, when the database is
/// made, and a password has no place on a command line.
pub(super) const ADMIN_VARIABLES: [&str; 2] = ["AUTHNZERVER_ADMIN_EMAIL", "AUTHNZERVER_ADMIN_PASSWORD"];
/// Where clients find the server.
pub(super) const URL_VARIABLE: &str = "AUTHNZERVER_URL";

pub(super) struct Reader<'a> {
    sources: &'a Sources<'a>,
    problems: Problems,
    warnings: Vec<Problem>,
    incomplete: bool,
}

/// A text that is to be checked.
struct Candidate {
    text: String,
    /// Where it comes from, unless it is a default.
    origin: Option<Problem>,
    may_be_shown: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources<'a>) -> Self {
        let (problems, warnings) = (Problems::default(), Vec::new());
        let mut reader = Self { sources, problems, warnings, incomplete: false };
        reader.look_for_unknown_variables();
        reader.look_at_conf_vars();
        reader
    }

    #[inline(never)]
    fn candidate(&mut self, setting: &Setting) -> Option<Candidate> {
        let name = setting.name;
        let found = match self.sources.all(setting) {
            Ok(found) => found,
            Err(problem) => return self.problem(problem!("{}: {}", name, problem)),
        };
        let Some((first, others)) = found.split_first() else {
            return self.default(setting);
        };
        self.look_for_contradiction(setting, first, others);
        let retrieved = match self.sources.retrieve(setting, first) {
            Ok(retrieved) => retrieved,
            Err(problem) => return self.problem(problem!("{}: {} {}", name, first.source, problem)),
        };
        self.warnings.extend(retrieved.warnings.iter().map(|warning| problem!("{}: {}", name, warning)));
        let origin = match &retrieved.told_by {
            Some(path) => problem!("{}, read as {} says,", first.source, path.display()),
            None => Problem::of(&first.source),
        };
        // What was read elsewhere may be something else than was meant, and that is nobody's business.
        let may_be_shown = retrieved.told_by.is_none() && !setting.kind.is_hidden();
        Some(Candidate { text: retrieved.text, origin: Some(origin), may_be_shown })
    }

    #[inline(never)]
    fn refuse(&mut self, setting: &Setting, candidate: &Candidate, allowed: &Problem) {
        let name = setting.name;
        let text = if candidate.may_be_shown {
            Problem::of(&operator_text(&candidate.text))
        } else {
            "the value".into()
        };
        self.problems.add(match &candidate.origin {
            Some(origin) => problem!("{}: {} from {} is refused; it must be {}", name, text, origin, allowed),
            None => problem!("{}: it must be {}", name, allowed),
        });
    }

    /// Whether a setting has a text anywhere.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.sources.all(by_name(name)).is_ok_and(|found| !found.is_empty())
    }

    /// Warns of each of these settings that has a text anywhere.
    pub(super) fn warn_if_set(&mut self, names: &[&'static str], why: &'static str) {
        for &name in names {
            if self.is_set(name) {
                self.warnings.push(problem!("{}: {}", name, why));
            }
        }
    }

    /// Notes a problem that concerns several settings.
    pub(super) fn problem<T>(&mut self, problem: impl Into<Problem>) -> Option<T> {
        self.problems.add(problem);
        None
    }

    /// What came of reading, with the warnings, if nothing was wrong.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<(T, Vec<Problem>), Problems> {
        if self.incomplete {
            self.problems.add(
                "authnzerver --autosetup --basedir=DIRECTORY makes all that a server needs; \
                 `make run` starts one in ./run",
            );
        }
        match value {
            Some(value) => self.problems.or((value, self.warnings)),
            None => Err(self.problems),
        }
    }

    fn default(&mut self, setting: &Setting) -> Option<Candidate> {
        if let Some(text) = self.sources.default_of(setting) {
            return Some(Candidate { text: text.to_owned(), origin: None, may_be_shown: false });
        }
        self.incomplete = true;
        let (name, description, option) =
            (setting.name, setting.description(), self.sources.option_of(setting));
        let variable = self.sources.variables_of(setting).pop().unwrap_or_else(|| setting.variable());
        self.problem(problem!(
            "{}: missing; set {} or --{}. {}",
            name,
            operator_name(&variable),
            option,
            description
        ))
    }

    /// Two sources that say different things are worth a word, for only one of them counts.
    fn look_for_contradiction(&mut self, setting: &Setting, first: &Found, others: &[Found]) {
        let differing: Vec<Problem> = others
            .iter()
            .filter(|other| !matches!(other.source, Source::Default(_)))
            .filter(|other| other.text.trim() != first.text.trim())
            .filter(|other| setting.name != "basedir" || !self.is_same_path(&other.text, &first.text))
            .map(|other| Problem::of(&other.source))
            .collect();
        if !differing.is_empty() {
            let (name, differing) = (setting.name, Problem::join(differing, " and "));
            self.warnings.push(problem!("{}: {} counts, not {}", name, first.source, differing));
        }
    }

    /// Whether two texts name one place, such as an absolute and a relative path.
    fn is_same_path(&self, one: &str, other: &str) -> bool {
        let whole =
            |text: &str| std::path::absolute(self.sources.environment.directory.join(text.trim())).ok();
        whole(one) == whole(other)
    }

    /// Where the file of `--confvars` gives a setting other names, its own ones have no effect any more.
    fn look_at_conf_vars(&mut self) {
        let Some(file) = &self.sources.conf_vars else { return };
        let path = file.path().display();
        self.warnings.extend(file.warning());
        for setting in SETTINGS {
            let (name, own) = (setting.name, setting.variable());
            let is_set = self.sources.variable(&own).is_ok_and(|found| found.is_some());
            if is_set && !file.names_variable(&own) && !self.sources.variables_of(setting).contains(&own) {
                self.warnings.push(problem!(
                    "{}: not used, {} takes {} from elsewhere",
                    operator_name(&own),
                    path,
                    name
                ));
            }
            if self.sources.has_unused_option(setting) {
                self.warnings.push(problem!("--{}: not used, {} takes {} from elsewhere", name, path, name));
            }
        }
    }

    /// What other programs put around a value, or in place of one.
    fn look_for_foreign_forms(&mut self) {
        let environment = self.sources.environment;
        for name in environment.names().filter(|name| is_setting(name) || ADMIN_VARIABLES.contains(name)) {
            if environment.is_quoted(name) {
                self.warnings.push(problem!(
                    "{} in the environment: the quotes around it are not taken as part of it",
                    operator_name(name)
                ));
            }
        }
        let port = by_name("port");
        for name in self.sources.variables_of(port) {
            if let Ok(Some(found)) = self.sources.variable(&name)
                && is_address_of_service(port, &found)
            {
                self.warnings.push(problem!(
                    "{} is passed over: it is the address of a service, as Kubernetes sets it, and no port",
                    found.source
                ));
            }
        }
    }

    /// A misspelt name must not pass for a default. In our own file that is an error; the environment may hold
    /// what other programs, or other versions, put there.
    fn look_for_unknown_variables(&mut self) {
        let retired = variable_of(RETIRED_SETTING);
        if self.sources.variable(&retired).is_ok_and(|found| found.is_some()) {
            self.warnings.push(problem!("{} is ignored: {}", operator_name(&retired), RETIRED_BECAUSE));
        }
        let named =
            |name: &str| self.sources.conf_vars.as_ref().is_some_and(|file| file.names_variable(name));
        let is_unknown = |name: &str| is_unknown(name) && !named(name);
        let files = self.sources.env_file().into_iter().chain(&self.sources.own_variables);
        for file in files {
            for (name, number) in file.names().filter(|(name, _)| is_unknown(name)) {
                let (path, text) = (file.path().display(), operator_text(name));
                self.problems.add(problem!("{} ({} line {}) {}", text, path, number, unknown(name)));
            }
        }
        let Some(file) = self.sources.env_file() else {
            self.look_for_foreign_forms();
            for name in self.sources.environment.names().filter(|name| is_unknown(name)) {
                self.warnings.push(problem!("{} in the environment {}", operator_text(name), unknown(name)));
            }
            return;
        };
        let unused: Vec<Problem> = self
            .sources
            .environment
            .names()
            .filter(|name| is_setting(name))
            .filter(|name| {
                let of_process = self.sources.environment.variable(name).ok().flatten();
                of_process.is_some() && of_process != file.get(name).map(|(text, _)| text)
            })
            .map(|name| Problem::of(&operator_name(name)))
            .collect();
        if !unused.is_empty() {
            let (names, path) = (Problem::join(unused, ", "), file.path().display());
            self.warnings.push(problem!(
                "{} in the environment: not used, {} stands in its place",
                names,
                path
            ));
        }
    }
}

impl ReadSetting for Reader<'_> {
    /// A setting's value, or nothing after noting what is wrong. All but the check is done elsewhere, for this is
    /// compiled anew for each type.
    fn read<T>(&mut self, setting: &Setting, check: fn(&str) -> Result<T, Problem>) -> Option<T> {
        let candidate = self.candidate(setting)?;
        match check(&candidate.text) {
            Ok(value) => Some(value),
            Err(allowed) => {
                self.refuse(setting, &candidate, &allowed);
                None
            }
        }
    }
}

fn is_setting(variable: &str) -> bool {
    variable.starts_with(VARIABLE_PREFIX) && SETTINGS.iter().any(|setting| setting.variable() == variable)
}

fn is_unknown(variable: &str) -> bool {
    variable.starts_with(VARIABLE_PREFIX)
        && !is_setting(variable)
        && variable != URL_VARIABLE
        && !is_of_kubernetes(variable)
        && variable != variable_of(RETIRED_SETTING)
        && !ADMIN_VARIABLES.contains(&variable)
}

/// What Kubernetes tells about a service of our name beside `AUTHNZERVER_PORT`.
fn is_of_kubernetes(variable: &str) -> bool {
    let name = variable.trim_start_matches(VARIABLE_PREFIX);
    let numbered = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    name == "SERVICE_HOST"
        || name.starts_with("SERVICE_PORT")
        || name.strip_prefix("PORT_").is_some_and(numbered)
}

fn unknown(variable: &str) -> Problem {
    let typed = variable.trim_start_matches(VARIABLE_PREFIX).to_ascii_lowercase();
    match closest(&typed, SETTINGS.iter().map(|setting| setting.name)) {
        Some(near) => problem!("is not a setting; perhaps {}?", operator_name(&by_name(near).variable())),
        None => "is not a setting (see `authnzerver settings`)".into(),
    }
}
