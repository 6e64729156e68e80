//! Reads the file of `--confvars`: for single settings other names, another default, and how the text that was found
//! leads to the value. It is JSON with the words of the table that the Python authnzerver took as a Python module, so
//! that one becomes the other nearly word by word. Nothing that stands in the file but names is shown in a message.

use super::arguments::{plain, setting_of_option};
use super::envfile::{SETTING_FILE_BYTES_MAX, content};
use super::problems::{Problems, closest};
use super::remote::{self, Template, WebRequest};
use super::table::SETTINGS;
use crate::files;
use crate::json::{self, Limits};
use crate::problem;
use crate::problem::{Problem, operator_name, operator_text};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::HeaderName;

const TIMEOUT_SECONDS_DEFAULT: f64 = 5.0;
/// Nobody waits longer for a start that may fail.
const TIMEOUT_SECONDS_MAX: f64 = 60.0;
/// Stands before the number of a list's entry in a path.
const INDEX_PREFIX: &str = "_arr_";

/// The file of `--confvars`.
pub(super) struct ConfVars {
    path: PathBuf,
    open_to_others: bool,
    items: BTreeMap<&'static str, Item>,
}

/// What the file says about one setting.
#[derive(Default)]
pub(super) struct Item {
    /// The variables to ask in place of the setting's own.
    pub(super) variables: Option<Vec<String>>,
    /// The option to ask in place of the setting's own.
    pub(super) option: Option<&'static str>,
    /// The default in place of the setting's own; `Some(None)` makes the setting a required one.
    #[expect(clippy::option_option, reason = "no default is something else than nothing said about one")]
    pub(super) default: Option<Option<String>>,
    /// How the text that was found is read, if not as usual.
    pub(super) reading: Option<Reading>,
    /// Whether what was read is base64 of the value.
    pub(super) base64: bool,
}

/// How the text that was found is read.
pub(super) enum Reading {
    /// It is the value itself.
    Never,
    /// It may name a file.
    File(Form),
    /// It may be a URL.
    Web(WebRequest, Form),
}

/// In what form a value stands in a file or an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The whole text.
    Text,
    /// In JSON at the end of these steps: keys, and `_arr_<number>` in lists.
    Json(Vec<String>),
}

impl Item {
    /// Whether the text that was found is read otherwise than as usual.
    pub(super) const fn changes_reading(&self) -> bool {
        self.reading.is_some() || self.base64
    }

    fn requests(&self) -> impl Iterator<Item = &WebRequest> {
        self.reading.iter().filter_map(|reading| match reading {
            Reading::Web(request, _) => Some(request),
            Reading::Never | Reading::File(_) => None,
        })
    }
}

impl ConfVars {
    /// Reads the file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(path: &Path) -> Result<Self, Problems> {
        let shown = path.display();
        let file = files::read_small(path, SETTING_FILE_BYTES_MAX)
            .map_err(|error| Problems::one(problem!("--confvars: {} cannot be read: {}", shown, error)))?;
        let items = parse(&file.bytes, path)?;
        Ok(Self { path: path.to_owned(), open_to_others: file.open_to_others, items })
    }

    pub(super) fn item(&self, setting: &str) -> Option<&Item> {
        self.items.get(setting)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn is_open_to_others(&self) -> bool {
        self.open_to_others
    }

    /// Whether the file takes anything from this variable.
    pub(super) fn names_variable(&self, name: &str) -> bool {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        self.items.values().any(|item| {
            let sent = item.requests().any(|request| request.names().any(same));
            sent || item.variables.iter().flatten().any(|variable| same(variable))
        })
    }

    /// What the operator should know about the file itself.
    pub(super) fn warning(&self) -> Option<Problem> {
        let spelt_out = |item: &Item| {
            let url = item.default.as_ref().and_then(|text| text.as_deref());
            item.requests().any(WebRequest::spells_out_a_value) || url.is_some_and(remote::has_password)
        };
        let path = self.path.display();
        (self.open_to_others && self.items.values().any(spelt_out)).then(|| {
            problem!(
                "{} spells out what is sent to a server, perhaps a secret, and can be read by others; \
                 take that away: chmod 0600 {}",
                path,
                path
            )
        })
    }
}

impl Form {
    /// The value in the content of a file or an answer.
    ///
    /// # Errors
    /// What is wrong with the content, without any of it.
    pub(super) fn extract(&self, bytes: Vec<u8>) -> Result<String, Problem> {
        let text = match self {
            Self::Text => content(bytes).ok_or("what came is not UTF-8 text")?,
            Self::Json(steps) => {
                let content = content(bytes).ok_or("what came is not UTF-8 text")?;
                let value = json::read(&content, &Limits::FILE)
                    .map_err(|error| problem!("what came is {}", error))?;
                text(follow(&value, steps)?)
                    .ok_or_else(|| problem!("{} is neither a text nor a number", place(steps)))?
            }
        };
        if text.trim().is_empty() { Err("the value is empty".into()) } else { Ok(text) }
    }
}

fn follow<'json>(value: &'json Value, steps: &[String]) -> Result<&'json Value, Problem> {
    let mut value = value;
    for (index, step) in steps.iter().enumerate() {
        let next = match value {
            Value::Object(object) => object.get(step),
            Value::Array(list) => step
                .strip_prefix(INDEX_PREFIX)
                .and_then(|number| number.parse::<usize>().ok())
                .and_then(|number| list.get(number)),
            _ => None,
        };
        value = next.ok_or_else(|| problem!("there is no {} in the JSON", place(&steps[..=index])))?;
    }
    Ok(value)
}

/// A path as the operator wrote it.
fn place(steps: &[String]) -> Problem {
    if steps.is_empty() { "the whole JSON".into() } else { Problem::of(&operator_text(&steps.join("."))) }
}

fn parse(bytes: &[u8], path: &Path) -> Result<BTreeMap<&'static str, Item>, Problems> {
    let shown_path = path.display();
    let refuse = |problem: Problem| Problems::one(problem!("{}: {}", shown_path, problem));
    let content = std::str::from_utf8(bytes).map_err(|_| refuse("this is not UTF-8 text".into()))?;
    let value = json::read(content.trim_start_matches('\u{feff}'), &Limits::FILE);
    let value = value.map_err(|error| refuse(problem!("this is {}", error)))?;
    let Value::Object(entries) = value else {
        return Err(refuse("an object is needed, with the names of settings and an object for each".into()));
    };
    let (mut items, mut problems) = (BTreeMap::new(), Problems::default());
    for (name, value) in entries {
        let Some(setting) = SETTINGS.iter().map(|row| row.name).find(|row| *row == plain(&name)) else {
            let hint = hint(&plain(&name), SETTINGS.iter().map(|row| row.name));
            problems.add(problem!("{}: {} is not a setting{}", shown_path, operator_text(&name), hint));
            continue;
        };
        let mut item_problems = Vec::new();
        let item = item(setting, value, &mut item_problems);
        for problem in item_problems {
            problems.add(problem!("{}: {}: {}", shown_path, setting, problem));
        }
        if items.insert(setting, item).is_some() {
            problems.add(problem!("{}: {} stands there twice", shown_path, setting));
        }
    }
    problems.or(items)
}

fn item(setting: &'static str, value: Value, problems: &mut Vec<Problem>) -> Item {
    let mut item = Item::default();
    let Value::Object(fields) = value else {
        problems.push("an object is needed".into());
        return item;
    };
    for (field, value) in fields {
        let read = match field.as_str() {
            "env" => variables(value).map(|names| item.variables = names),
            "cmdline" => option(&value).map(|name| item.option = name),
            "default" => default(&value).map(|text| item.default = Some(text)),
            "readable_from_file" => reading(value).map(|reading| item.reading = reading),
            "postprocess_value" => base64(&value).map(|base64| item.base64 = base64),
            // What a setting's type and meaning are is known.
            "type" | "help" => Ok(()),
            _ => {
                let known = ["env", "cmdline", "default", "readable_from_file", "postprocess_value"];
                let hint = hint(&field, known.into_iter());
                problems.push(problem!("{} is not known here{}", operator_text(&field), hint));
                continue;
            }
        };
        problems.extend(read.err().map(|problem| problem!("{}: {}", operator_name(&field), problem)));
    }
    if setting == "basedir" && item.changes_reading() {
        problems.push("the base directory is not read from anywhere".into());
    }
    item
}

/// The known name that was perhaps meant.
fn hint(typed: &str, known: impl Iterator<Item = &'static str>) -> Problem {
    closest(typed, known).map_or_else(|| "".into(), |near| problem!("; perhaps {}?", near))
}

fn variables(value: Value) -> Result<Option<Vec<String>>, Problem> {
    let names = match value {
        Value::Null => return Ok(None),
        Value::Array(names) => names,
        name => vec![name],
    };
    let name = |value| match value {
        Value::String(name) if is_variable(&name) => Some(name),
        _ => None,
    };
    let names: Option<Vec<String>> = names.into_iter().map(name).collect();
    match names.filter(|names| !names.is_empty()) {
        Some(names) => Ok(Some(names)),
        None => Err("the name of a variable is needed, or a list of them".into()),
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=')
}

fn option(value: &Value) -> Result<Option<&'static str>, Problem> {
    match value {
        Value::Null => Ok(None),
        Value::String(name) => match setting_of_option(name) {
            Some(option) => Ok(Some(option)),
            None => Err(problem!("{} is not the option of a setting", operator_text(name))),
        },
        _ => Err("the name of an option is needed".into()),
    }
}

fn default(value: &Value) -> Result<Option<String>, Problem> {
    match value {
        Value::Null => Ok(None),
        value => text(value).map(Some).ok_or_else(|| "a text, a number or null is needed".into()),
    }
}

fn base64(value: &Value) -> Result<bool, Problem> {
    match value {
        Value::Null => Ok(false),
        Value::String(filter) if ["base64", "base64.b64decode"].contains(&filter.as_str()) => Ok(true),
        _ => Err("\"base64\" is all that there is".into()),
    }
}

fn reading(value: Value) -> Result<Option<Reading>, Problem> {
    let words = match value {
        Value::Null => return Ok(None),
        Value::Bool(false) => return Ok(Some(Reading::Never)),
        Value::Array(words) => words,
        word => vec![word],
    };
    let mut words = words.into_iter();
    let (first, rest) = (words.next(), words.as_slice());
    match first.as_ref().and_then(Value::as_str) {
        Some("http") => {
            let (Some(request), rest) = (words.next(), words.as_slice()) else { return Err(FORMS.into()) };
            let form = rest.split_first().and_then(|(form, path)| form_of(form.as_str()?, path));
            Ok(Some(Reading::Web(web_request(request)?, form.ok_or(FORMS)?)))
        }
        Some(word) => Ok(Some(Reading::File(form_of(word, rest).ok_or(FORMS)?))),
        None => Err(FORMS.into()),
    }
}

const FORMS: &str = "it must be false, \"string\", \"json\", [\"json\", \"path\"], [\"http\", {…}, \"string\"], \
                     [\"http\", {…}, \"json\"] or [\"http\", {…}, \"json\", \"path\"]";

fn form_of(word: &str, path: &[Value]) -> Option<Form> {
    match (word, path) {
        ("string", []) => Some(Form::Text),
        ("json", []) => Some(Form::Json(Vec::new())),
        ("json", [Value::String(path)]) => {
            let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
            steps.iter().all(|step| !step.is_empty()).then_some(Form::Json(steps))
        }
        _ => None,
    }
}

fn web_request(value: Value) -> Result<WebRequest, Problem> {
    let Value::Object(fields) = value else {
        return Err("after \"http\" comes an object with method, headers, data and timeout".into());
    };
    let timeout = Duration::from_secs_f64(TIMEOUT_SECONDS_DEFAULT);
    let mut request = WebRequest { is_post: false, headers: Vec::new(), data: Vec::new(), timeout };
    for (field, value) in fields {
        match field.as_str() {
            "method" => {
                let method = value.as_str().unwrap_or_default().to_ascii_lowercase();
                request.is_post = method == "post";
                if !["get", "post"].contains(&method.as_str()) {
                    return Err("the method must be \"get\" or \"post\"".into());
                }
            }
            "headers" => {
                for (name, value) in pairs("headers", value)? {
                    let good = HeaderName::from_bytes(name.as_bytes())
                        .map_err(|_| problem!("{} is not the name of a header", operator_text(&name)))?;
                    request.headers.push((good, value));
                }
            }
            "data" => request.data = pairs("data", value)?,
            "timeout" => {
                let seconds =
                    value.as_f64().filter(|seconds| *seconds > 0.0 && *seconds <= TIMEOUT_SECONDS_MAX);
                let seconds = seconds.ok_or_else(|| {
                    problem!(
                        "the timeout must be a number of seconds above 0, at most {}",
                        TIMEOUT_SECONDS_MAX
                    )
                })?;
                request.timeout = Duration::from_secs_f64(seconds);
            }
            _ => {
                return Err(problem!(
                    "{} is not known beside method, headers, data and timeout",
                    operator_text(&field)
                ));
            }
        }
    }
    Ok(request)
}

fn pairs(what: &'static str, value: Value) -> Result<Vec<(String, Template)>, Problem> {
    let pairs = match value {
        Value::Null => Map::new(),
        Value::Object(pairs) => pairs,
        _ => return Err(problem!("{} must be an object of names and texts, or null", what)),
    };
    let pair = |(name, value): (String, Value)| match text(&value) {
        Some(text) => Ok((name, Template::new(text))),
        None => Err(problem!("{}: {} must be a text or a number", what, operator_text(&name))),
    };
    pairs.into_iter().map(pair).collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
