//! `authnzerver secret`: the keys of messages, each on a line of the server's key file, with its name and its limit behind
//! a `#`. A key is shown once, when it is made.

use super::command::{Arguments, CommandError, Context, EXIT_DONE};
use super::output::{Cell, JSON, Style, Table, show};
use super::user::view::minute;
use crate::clock::Timestamp;
use crate::config;
use crate::config::arguments::OptionRow;
use crate::files::{Changing, KEY_FILE_MODE};
use crate::guard::envelope::{KEYS_MAX, KeyLine, Keyring, Limit, generate_key, is_key_name};
use crate::guard::redact::PiiSalt;
use crate::guard::secret::Secret;
use crate::server::boot::check_keys;
use crate::server::process::Process;
use crate::store::message_keys::{self, MessageKey};
use serde_json::json;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The longest key file that can be ours.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// What a new key may ask.
pub const REQUESTS: OptionRow =
    OptionRow::with_value("requests", "=NAME,…", "all that the key may ask; without this, everything");
const RELOAD: &str = "next: `systemctl reload authnzerver`, or SIGHUP, has the server read its keys again";

/// A line of the file: keys, most often one, or nothing but a remark.
struct Entry {
    line: Secret<String>,
    keys: Secret<String>,
    name: Option<String>,
    /// All that they may ask, if that is not everything.
    requests: Option<Vec<String>>,
}

impl Entry {
    fn new(line: &str) -> Self {
        let KeyLine { keys, name, limit } = KeyLine::read(line);
        let requests = match limit {
            Limit::Requests(requests) => Some(requests.into_iter().map(str::to_owned).collect()),
            // With one that cannot be read, the settings are refused before the file is looked at.
            Limit::Nothing | Limit::Malformed => None,
        };
        let keys = Secret::new(keys.trim().to_owned());
        Self { line: Secret::new(line.to_owned()), keys, name: name.map(str::to_owned), requests }
    }

    fn is_key(&self) -> bool {
        !self.keys.expose().is_empty()
    }

    /// The fingerprints of what stands in the line, as backups have them.
    fn fingerprints(&self, salt: &PiiSalt) -> Vec<String> {
        // Which of the keys is wrong, the whole ring's check tells.
        Keyring::parse(self.keys.expose()).map(|keys| keys.fingerprints(salt)).unwrap_or_default()
    }
}

/// The key file, and what is in it. Nobody else changes it meanwhile.
struct KeyFile {
    path: PathBuf,
    changing: Changing,
    entries: Vec<Entry>,
    salt: PiiSalt,
}

/// Makes a key, for use elsewhere.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "every command has this type")]
pub fn new(_: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let key = generate_key(context.parts.rng);
    let line = Zeroizing::new(format!("{}\n", key.expose()));
    context.streams.print(&line);
    Ok(EXIT_DONE)
}

/// Lists the keys by name and fingerprint, with what each may ask and when it was last used.
///
/// # Errors
/// They cannot be read.
pub fn list(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let file = KeyFile::open(arguments, context)?;
    let known = known_keys(arguments, context)?;
    let mut table = Table::new(&["NAME", "FINGERPRINT", "LAST USED", "REQUESTS"]);
    let mut listed = Vec::new();
    for entry in file.keys() {
        for fingerprint in entry.fingerprints(&file.salt) {
            let key = known.iter().find(|key| key.fingerprint.to_string() == fingerprint);
            let last_used = key.and_then(|key| key.last_used).map(Timestamp::wire);
            let requests = entry.requests.as_ref().map_or_else(|| "all".to_owned(), |all| all.join(","));
            table.add(vec![
                entry.name.as_deref().unwrap_or("-").into(),
                fingerprint.as_str().into(),
                minute(&json!(last_used)).into(),
                Cell::whole(&requests),
            ]);
            listed.push(json!({
                "name": entry.name, "fingerprint": fingerprint, "requests": entry.requests, "last_used": last_used,
            }));
        }
    }
    let text = table.text(Style::of(context));
    show(arguments, context, &json!({ "keys": listed }), &text);
    Ok(EXIT_DONE)
}

/// What the server has noted about its keys. Where there is no database yet, that is nothing.
fn known_keys(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<Vec<MessageKey>, CommandError> {
    // Whatever there is to warn of has been told.
    let loaded = config::load(&arguments.invocation, context.environment).map_err(CommandError::usage)?;
    if loaded.config.database.file(&context.environment.directory).is_ok_and(|file| !file.exists()) {
        return Ok(Vec::new());
    }
    let opened = (context.parts.open)(loaded, &Process::new(context.environment)).map_err(String::from);
    let listed = opened.and_then(|app| {
        app.store.read(message_keys::list).map_err(|error| app.store.about(&error).to_string())
    });
    Ok(listed.unwrap_or_else(|error| {
        context.streams.warn(&format!("when keys were last used cannot be read: {error}"));
        Vec::new()
    }))
}

/// Makes a key, adds it to the file and shows it.
///
/// # Errors
/// The name is taken, or the file cannot be written.
pub fn add(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let name = arguments.word(0).unwrap_or_default();
    if !is_key_name(name) {
        return Err(CommandError::cannot_tell(
            "a name has letters, digits, `.`, `_` and `-`, at most 40 of them",
        ));
    }
    let limit = arguments.option(REQUESTS.name).map(|text| {
        let requests: Vec<&str> = text.split(',').map(str::trim).collect();
        format!(" requests={}", requests.join(","))
    });
    let limit = limit.unwrap_or_default();
    let mut file = KeyFile::open(arguments, context)?;
    if file.keys().any(|entry| entry.name.as_deref() == Some(name)) {
        return Err(CommandError::refused(format!("there is a key {name} already")));
    }
    let key = generate_key(context.parts.rng);
    file.entries.push(Entry::new(&Zeroizing::new(format!("{}  # {name}{limit}", key.expose()))));
    file.write()?;
    let line = Zeroizing::new(format!("{}\n", key.expose()));
    let requests = file.entries.last().and_then(|entry| entry.requests.as_ref());
    let document = json!({
        "name": name, "key": key.expose(), "requests": requests, "file": file.path.display().to_string(),
    });
    show(arguments, context, &document, &line);
    advise(arguments, context);
    Ok(EXIT_DONE)
}

/// Takes a key out of the file.
///
/// # Errors
/// There is no such key, or no other one.
pub fn retire(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let wanted = arguments.word(0).unwrap_or_default();
    let mut file = KeyFile::open(arguments, context)?;
    let is_meant = |entry: &Entry| {
        let fingerprints = entry.fingerprints(&file.salt);
        entry.is_key()
            && (entry.name.as_deref() == Some(wanted) || fingerprints.iter().any(|one| one == wanted))
    };
    let Some(place) = file.entries.iter().position(is_meant) else {
        let problem =
            format!("there is no key {}; `authnzerver secret list` has them all", config::shown(wanted));
        return Err(CommandError::refused(problem));
    };
    if file.keys().count() == 1 {
        return Err(CommandError::refused(
            "it is the only key: add another one, and hand it to the frontends first",
        ));
    }
    file.entries.remove(place);
    file.write()?;
    let text = format!("retired {wanted}\n");
    show(arguments, context, &json!({ "retired": wanted, "file": file.path.display().to_string() }), &text);
    advise(arguments, context);
    Ok(EXIT_DONE)
}

fn advise(arguments: &Arguments, context: &mut Context<'_, '_>) {
    if !arguments.has(JSON.name) {
        context.streams.warn(RELOAD);
    }
}

impl KeyFile {
    fn open(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<Self, CommandError> {
        let (invocation, environment) = (&arguments.invocation, context.environment);
        let path = config::key_file(invocation, environment).map_err(CommandError::usage)?;
        let loaded = config::load(invocation, environment).map_err(CommandError::usage)?;
        for warning in invocation.warnings.iter().chain(&loaded.warnings) {
            context.streams.warn(warning.as_str());
        }
        let cannot = |why: String| CommandError::cannot_tell(format!("{}: {why}", path.display()));
        let mut changing =
            Changing::begin(&path, FILE_BYTES_MAX).map_err(|error| cannot(error.to_string()))?;
        let bytes = Zeroizing::new(std::mem::take(&mut changing.bytes));
        let text = std::str::from_utf8(&bytes).map_err(|_| cannot("it is no text".to_owned()))?;
        let entries = text.lines().map(Entry::new).collect();
        Ok(Self { entries, salt: loaded.config.pii_salt, path, changing })
    }

    fn keys(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_key())
    }

    /// Writes the file anew. Whoever reads it meanwhile finds the old keys or the new ones.
    fn write(&self) -> Result<(), CommandError> {
        let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX.try_into().unwrap_or(0)));
        for entry in &self.entries {
            text.push_str(entry.line.expose());
            text.push('\n');
        }
        let ring = Keyring::parse(&text).map_err(|error| {
            CommandError::refused(format!("{error}; a ring has at most {KEYS_MAX}, nothing was changed"))
        })?;
        check_keys(&ring)
            .map_err(|problem| CommandError::refused(format!("{problem}; nothing was changed")))?;
        self.changing.finish(KEY_FILE_MODE, text.as_bytes()).map_err(|error| {
            CommandError::refused(format!("{} cannot be written: {error}", self.path.display()))
        })
    }
}
