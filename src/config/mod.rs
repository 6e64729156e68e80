//! The settings of the server: one table of what there is, and the sources that the texts come from. Nothing in
//! here reads the process's environment by itself; it is handed in as [`Environment`], so that tests can set it.
//!
//! In order: variables (of the process, or of `--envfile` in its place), the command line, systemd's credentials,
//! the default. The file of `--confvars` can change names and default of single settings, and where a value leads.
//! All problems are reported together, and none of them repeats a secret.

pub(crate) mod arguments;
pub(crate) mod base_directory;
mod confvars;
mod envfile;
mod environment;
mod problems;
mod reader;
mod remote;
mod retrieval;
mod sources;
mod table;
pub(crate) mod values;

#[cfg(test)]
mod tests;

pub use arguments::Invocation;
pub use environment::{EXTRA_ROOTS_VARIABLE, Environment, as_meant};
pub use problems::{Problems, closest, shown};
pub use table::{Config, SETTINGS, Setting, SettingKind};

use crate::guard::envelope::{Keyring, generate_key};
use crate::guard::password::Argon2Cost;
use crate::guard::redact::PiiSalt;
use crate::guard::secret::Secret;
use crate::problem;
use crate::problem::Problem;
use crate::rng::Rng;
use crate::store::Location;
use base_directory::AdminChoice;
use log::LevelFilter;
use reader::{ADMIN_VARIABLES, Reader, URL_VARIABLE};
use sources::{Source, Sources};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use table::{ReadSetting, by_name};

/// Stands in for the name of the system's user where there is none, as in many containers.
const NAMELESS_USER: &str = "authnzerver";
const NAMELESS_ADMIN: &str = "admin";

/// Everything that a server starts with.
pub struct Startup {
    /// The settings.
    pub config: Config,
    /// The first administrator, should the database be new.
    pub admin: AdminChoice,
    /// What the operator should know, one line each. Holds no secret.
    pub warnings: Vec<Problem>,
    /// Where the settings come from that are read again while the server runs.
    pub reloaded: Reloaded,
}

/// The settings that are read again while the server runs, as a start would now.
#[derive(Clone)]
pub struct Reloaded {
    invocation: Invocation,
    environment: Environment,
}

impl Reloaded {
    /// The keys of messages.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn keys(&self) -> Result<Keyring, Problems> {
        self.read(|reader| reader.secret())
    }

    /// The least level that is logged.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn log_level(&self) -> Result<LevelFilter, Problems> {
        self.read(|reader| reader.log_level())
    }

    fn read<T>(&self, setting: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Result<T, Problems> {
        let sources = Sources::open(&self.invocation, &self.environment)?;
        let mut reader = Reader::new(&sources);
        let value = setting(&mut reader);
        Ok(reader.finish(value)?.0)
    }
}

/// The file that the keys of messages are read from.
///
/// # Errors
/// There is none: they come from elsewhere.
pub fn key_file(invocation: &Invocation, environment: &Environment) -> Result<PathBuf, Problems> {
    let sources = Sources::open(invocation, environment)?;
    let found = sources.all(by_name("secret")).map_err(Problems::one)?;
    let Some(first) = found.first() else {
        return Err(Problems::one("there is no key; --basedir says where the server keeps its own"));
    };
    let path = sources.with_places(first.text.trim()).map_err(Problems::one)?;
    let path = environment.directory.join(path);
    if path.is_file() && !matches!(first.source, Source::Credential(_)) {
        return Ok(path);
    }
    let problem = problem!("the keys come from {}, not from a file: change them there", first.source);
    Err(Problems::one(problem))
}

/// Reads all settings. Writes nothing.
///
/// # Errors
/// Everything that is wrong with them.
pub fn load(invocation: &Invocation, environment: &Environment) -> Result<Startup, Problems> {
    load_from(&Sources::open(invocation, environment)?)
}

/// Reads all settings as they will be once a start has made what is missing, and warns of that. Writes nothing.
///
/// # Errors
/// Everything that is wrong with them.
pub fn load_as_a_start_would(
    invocation: &Invocation,
    environment: &Environment,
    rng: &dyn Rng,
) -> Result<Startup, Problems> {
    let mut sources = Sources::open(invocation, environment)?;
    let mut notes = Vec::new();
    for (setting, name, purpose) in base_directory::MADE {
        let path = sources.base.join(name);
        let is_missing = matches!(path.try_exists(), Ok(false));
        if is_missing && is_completed(&sources) && !sources.is_given(by_name(setting)) {
            sources.stand_ins.push((setting, generate_key(rng)));
            notes.push(problem!("there is no {} yet; a start makes it: the {}", path.display(), purpose));
        }
    }
    let mut startup = load_from(&sources)?;
    startup.warnings.append(&mut notes);
    Ok(startup)
}

/// Whether a start makes what the base directory lacks: where that is on the command line, and needed at all.
fn is_completed(sources: &Sources<'_>) -> bool {
    let is_given = |name: &str| sources.is_given(by_name(name));
    sources.base_provides && !["authdb", "secret", "piisalt"].into_iter().all(is_given)
}

/// Reads all settings as set-up leaves them: what was typed, and the files in the base directory.
///
/// # Errors
/// Everything that is wrong with them.
pub fn load_for_set_up(
    invocation: &Invocation,
    environment: &Environment,
    base: &Path,
) -> Result<Startup, Problems> {
    load_from(&Sources::of_set_up(invocation, environment, base))
}

/// Makes the key and the salt of a server whose base directory is on the command line, as far as they are given nowhere
/// and missing there. Does nothing if database, key and salt are all given. Tells what was made.
///
/// # Errors
/// What the file system says, or an `.env` that cannot be read.
pub fn make_what_is_missing(
    invocation: &Invocation,
    environment: &Environment,
    rng: &dyn Rng,
) -> Result<Vec<Problem>, Problems> {
    let sources = Sources::open(invocation, environment)?;
    if !is_completed(&sources) {
        return Ok(Vec::new());
    }
    let is_given = |name: &str| sources.is_given(by_name(name));
    base_directory::make_what_is_missing(&sources.base, is_given, rng).map_err(Problems::one)
}

/// What has to be known to put a backup in place. Of a server that is to be made anew, more need not be there.
pub struct RestoreSettings {
    /// The database.
    pub database: PathBuf,
    /// The base directory.
    pub base_directory: PathBuf,
    /// Key and salt, as far as there are any.
    pub secrets: Option<(Keyring, PiiSalt)>,
    /// What the operator should know, one line each.
    pub warnings: Vec<Problem>,
}

/// Reads the few settings that say what a backup replaces, and which key and salt are in use.
///
/// # Errors
/// Everything that is wrong with the first ones.
pub fn load_for_restore(
    invocation: &Invocation,
    environment: &Environment,
) -> Result<RestoreSettings, Problems> {
    let sources = Sources::open(invocation, environment)?;
    let mut reader = Reader::new(&sources);
    let database = reader.database();
    let (database, warnings) = reader.finish(database)?;
    let mut reader = Reader::new(&sources);
    let secrets = reader.secret().zip(reader.pii_salt());
    // A key that is missing is told of when it is needed.
    let secrets = reader.finish(secrets).ok().map(|(secrets, _)| secrets);
    let database = database.file(&environment.directory).map_err(Problems::one)?;
    Ok(RestoreSettings { database, base_directory: sources.base.clone(), secrets, warnings })
}

/// What a client of the server on this machine needs.
pub struct ClientSettings {
    /// The key that seals messages.
    pub secret: Keyring,
    /// Where the server is.
    pub url: String,
    /// How a server that speaks TLS proves itself.
    pub trust: Trust,
    /// What the operator should know, one line each.
    pub warnings: Vec<Problem>,
}

/// How a server that speaks TLS proves itself to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is the one that runs here with the same settings; the shared key alone tells.
    OwnServer,
    /// By a certificate that chains to a built-in root or one in a file.
    Roots {
        /// That file.
        extra: Option<PathBuf>,
    },
}

/// Reads the few settings that a client needs. Without a URL, given or in `AUTHNZERVER_URL`, the server is
/// where its own settings place it.
///
/// # Errors
/// Everything that is wrong with them.
pub fn load_for_client(
    invocation: &Invocation,
    environment: &Environment,
    url: Option<&str>,
) -> Result<ClientSettings, Problems> {
    let sources = Sources::open(invocation, environment)?;
    let mut reader = Reader::new(&sources);
    let secret = reader.secret();
    let place = place_of_server(&sources, &mut reader, url)?;
    let ((secret, (url, trust)), warnings) = reader.finish(secret.zip(place))?;
    Ok(ClientSettings { secret, url, trust, warnings })
}

/// Reads what new password hashes cost, and how many threads make them.
///
/// # Errors
/// Everything that is wrong with that.
pub fn load_hashing(
    invocation: &Invocation,
    environment: &Environment,
) -> Result<(Argon2Cost, Option<usize>), Problems> {
    let sources = Sources::open(invocation, environment)?;
    let mut reader = Reader::new(&sources);
    let cost = reader.argon2();
    let threads = reader.hash_threads();
    reader.finish(cost.zip(threads)).map(|(hashing, _)| hashing)
}

/// Reads where the server is, for those who do not need its key.
///
/// # Errors
/// Everything that is wrong with that.
pub fn find_server(
    invocation: &Invocation,
    environment: &Environment,
    url: Option<&str>,
) -> Result<(String, Trust), Problems> {
    let sources = Sources::open(invocation, environment)?;
    let mut reader = Reader::new(&sources);
    let place = place_of_server(&sources, &mut reader, url)?;
    reader.finish(place).map(|(place, _)| place)
}

fn place_of_server(
    sources: &Sources<'_>,
    reader: &mut Reader<'_>,
    url: Option<&str>,
) -> Result<Option<(String, Trust)>, Problems> {
    let given = match (url, sources.variable(URL_VARIABLE)) {
        (Some(url), _) => Some(url.to_owned()),
        // Quotes are often taken over from shell scripts.
        (None, Ok(found)) => found.map(|found| found.text.trim().trim_matches('"').to_owned()),
        (None, Err(problem)) => reader.problem(problem),
    };
    let given = given.filter(|url| !url.is_empty());
    let trust = if given.is_none() {
        Trust::OwnServer
    } else {
        let extra = sources.environment.variable(EXTRA_ROOTS_VARIABLE).map_err(Problems::one)?;
        Trust::Roots { extra: extra.map(PathBuf::from) }
    };
    let url = given.or_else(|| own_url(reader));
    Ok(match url {
        Some(url) if !values::is_web_url(&url) => {
            reader.problem("the URL must begin with http:// or https://")
        }
        url => url.map(|url| (url, trust)),
    })
}

fn load_from(sources: &Sources<'_>) -> Result<Startup, Problems> {
    let mut reader = Reader::new(sources);
    let config = Config::read(&mut reader);
    if reader.is_set("tlscertfile") != reader.is_set("tlscertkey") {
        reader.problem::<()>("tlscertfile and tlscertkey: one without the other; TLS needs both");
    }
    if config.as_ref().is_some_and(|config| matches!(config.database, Location::Postgres(_))) {
        reader
            .warn_if_set(&["cachesize", "mmapsize"], "it is for SQLite, and without effect on a PostgreSQL");
    }
    let admin = admin(sources, &mut reader);
    let ((mut config, admin), warnings) = reader.finish(config.zip(admin))?;
    config.base_directory.clone_from(&sources.base);
    if config.email_user.is_empty() {
        sources.environment.user_name().unwrap_or(NAMELESS_USER).clone_into(&mut config.email_user);
    }
    let reloaded =
        Reloaded { invocation: sources.invocation.clone(), environment: sources.environment.clone() };
    Ok(Startup { config, admin, warnings, reloaded })
}

/// The first administrator. The process's variables are asked even if a file stands in for them, for a password
/// that counts once is better not kept in a file.
fn admin(sources: &Sources<'_>, reader: &mut Reader<'_>) -> Option<AdminChoice> {
    let mut given = Vec::new();
    for name in ADMIN_VARIABLES {
        let text = sources.environment.variable(name).and_then(|text| match text {
            Some(text) => Ok(Some(text.to_owned())),
            None => Ok(sources.variable(name)?.map(|found| found.text).filter(|text| !text.is_empty())),
        });
        match text {
            Ok(text) => given.push(text),
            Err(problem) => return reader.problem(problem),
        }
    }
    let password = given.pop().flatten().map(Secret::new);
    let email = given.pop().flatten();
    let email_is_given = email.is_some();
    let email = email.unwrap_or_else(|| default_admin_email(sources.environment));
    if values::email_address(&email).is_err() {
        let [variable, _] = ADMIN_VARIABLES;
        return reader.problem(problem!("{} is not an e-mail address", variable));
    }
    Some(AdminChoice { email, email_is_given, password })
}

/// The address that a first administrator gets who has chosen none.
#[must_use]
pub fn default_admin_email(environment: &Environment) -> String {
    let user = environment.user_name().unwrap_or(NAMELESS_ADMIN);
    let email = format!("{user}@localhost");
    if values::email_address(&email).is_ok() { email } else { format!("{NAMELESS_ADMIN}@localhost") }
}

/// Where a client on the same machine reaches the server.
fn own_url(reader: &mut Reader<'_>) -> Option<String> {
    let scheme = if reader.is_set("tlscertfile") { "https" } else { "http" };
    let address = match reader.listen()? {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    Some(format!("{scheme}://{}/", SocketAddr::new(address, reader.port()?)))
}
