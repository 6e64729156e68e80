//! Every setting, once. From a row come the field of [`Config`], its lookup and check, the command line's
//! option, the variable, and the documentation. A setting is added by adding a row.

use super::values::{self, Backoff, EmailChange, LockMode, PwnedFail};
use crate::guard::code::CodeForm;
use crate::guard::envelope::Keyring;
use crate::guard::password::Argon2Cost;
use crate::guard::ratelimit::RateLimits;
use crate::guard::redact::PiiSalt;
use crate::guard::secret::Secret;
use crate::log::LogFormat;
use crate::outbound::mail::Protection;
use crate::policy::passwords::PasswordPolicy;
use crate::problem::Problem;
use crate::store::Location;
use log::LevelFilter;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// How the text of a setting is come by, and whether it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// The text itself.
    Plain,
    /// A path that need not exist, perhaps inside a URL. `[[basedir]]` and `[[homedir]]` are replaced. Never
    /// shown: a URL may hold a password.
    Location,
    /// A file that must exist. `[[basedir]]` and `[[homedir]]` are replaced. A credential of this name is
    /// itself the file.
    File,
    /// A secret.
    Secret,
    /// A secret, or a file that holds one. `[[basedir]]` and `[[homedir]]` are replaced.
    SecretOrFile,
}

impl SettingKind {
    /// Whether no message may repeat the text.
    #[must_use]
    pub const fn is_hidden(self) -> bool {
        matches!(self, Self::Location | Self::Secret | Self::SecretOrFile)
    }
}

/// What is known about a setting besides its value.
#[derive(Debug)]
pub struct Setting {
    /// The name: of the option, of a systemd credential, and, in capitals after `AUTHNZERVER_`, of the variable.
    pub name: &'static str,
    /// A variable that is asked before the regular one.
    preferred_variable: Option<&'static str>,
    /// An option that means the same.
    pub other_option: Option<&'static str>,
    /// How the text is come by.
    pub kind: SettingKind,
    /// The text that stands in for a missing one; without it the setting is required.
    pub default: Option<&'static str>,
    description: &'static str,
}

impl Setting {
    /// The variable that belongs to the setting alone.
    #[must_use]
    pub fn variable(&self) -> String {
        variable_of(self.name)
    }

    /// All variables, in the order in which they are asked.
    pub fn variables(&self) -> impl Iterator<Item = String> {
        self.preferred_variable.map(str::to_owned).into_iter().chain([self.variable()])
    }

    /// What the setting does, in a sentence or two.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description.trim_start()
    }
}

/// What the names of all our variables begin with.
pub const VARIABLE_PREFIX: &str = "AUTHNZERVER_";

/// A setting of older versions of the Python authnzerver, accepted without effect wherever settings are.
pub(super) const RETIRED_SETTING: &str = "cachedir";
/// Why it has none.
pub(super) const RETIRED_BECAUSE: &str = "nothing is cached on disk";

/// The variable that belongs to the setting of that name.
pub(super) fn variable_of(name: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", name.to_ascii_uppercase())
}

/// The setting of that name.
pub(super) fn by_name(name: &str) -> &'static Setting {
    SETTINGS
        .iter()
        .find(|setting| setting.name == name)
        .expect("code asks only for names that are in the table")
}

macro_rules! optional {
    () => {
        None
    };
    ($text:literal) => {
        Some($text)
    };
    (required) => {
        None
    };
}

macro_rules! settings {
    ($(
        $(#[doc = $description:literal])+
        $field:ident: $type:ty = $name:literal
            $(or variable $variable:literal)? $(or option $option:literal)?,
            $kind:ident, $default:tt, $check:expr;
    )+) => {
        /// Every setting of the server, checked.
        pub struct Config {
            $($(#[doc = $description])+ pub $field: $type,)+
        }

        /// The table, in the order in which settings are documented.
        pub static SETTINGS: &[Setting] = &[$(Setting {
            name: $name,
            preferred_variable: optional!($($variable)?),
            other_option: optional!($($option)?),
            kind: SettingKind::$kind,
            default: optional!($default),
            description: concat!($($description),+),
        }),+];

        /// What settings are read with.
        pub(super) trait ReadSetting {
            /// A setting's value, checked, or nothing.
            fn read<T>(&mut self, setting: &Setting, check: fn(&str) -> Result<T, Problem>) -> Option<T>;

            $(
                $(#[doc = $description])+
                fn $field(&mut self) -> Option<$type> {
                    self.read(by_name($name), $check)
                }
            )+
        }

        impl Config {
            /// Reads every setting before it gives up, so that all problems are reported together.
            pub(super) fn read(reader: &mut impl ReadSetting) -> Option<Self> {
                $(let $field = reader.$field();)+
                Some(Self { $($field: $field?),+ })
            }
        }
    };
}

settings! {
    /// Host names that a request's `Host` header may carry, with `;` between them.
    allowed_hosts: Vec<String> = "allowedhosts", Plain, "localhost;127.0.0.1", values::hosts;
    /// The database: an SQLite file (`sqlite:///relative/path`, `sqlite:////absolute/path` or a plain path), or a
    /// PostgreSQL (`postgresql://user:password@host1,host2/database?sslmode=verify-full`).
    database: Location = "authdb", Location, required, values::database;
    /// MiB of an SQLite database's pages that each of the `workers` keeps in memory. With more, looking something up among
    /// millions of sessions reads less from the file. A PostgreSQL has settings of its own for this.
    page_cache_mib: u32 = "cachesize", Plain, "4", values::integer::<_, 1, 16_384>;
    /// MiB of an SQLite database's file that are mapped into memory, which spares asking the system for each page; 0 for none.
    /// Then a disk that fails to read a page, or somebody who cuts the file short, ends the server, where otherwise
    /// requests are answered with 503 until the file can be read.
    mapped_mib: u32 = "mmapsize", Plain, "0", values::integer::<_, 0, 2047>;
    /// Where the server keeps its own files. `[[basedir]]` in other settings stands for it.
    base_directory: PathBuf = "basedir", Plain, ".", values::directory;
    /// 1 lets this very machine ask `/echo`.
    debug_mode: bool = "debugmode", Plain, "0", values::boolean;
    /// The address to listen on.
    listen: IpAddr = "listen", Plain, "127.0.0.1", values::address;
    /// The permissions policy, a JSON file. Without one the built-in policy holds.
    permissions_file: Option<PathBuf> = "permissions", File, "", values::optional_file;
    /// The TCP port to listen on; 0 lets the system choose one.
    port: u16 = "port" or variable "PORT", Plain, "13431", values::integer::<_, 0, 65_535>;
    /// The key that seals every message, 32 bytes in base64, or a file that holds it.
    secret: Keyring = "secret", SecretOrFile, required, values::keyring;
    /// What makes personal data in logs unreadable, at most 64 bytes, or a file that holds it. `none` logs
    /// personal data in plaintext.
    pii_salt: PiiSalt = "piisalt", SecretOrFile, required, values::pii_salt;
    /// Days for which a session is kept after it has expired.
    session_keep_days: u32 = "sessionexpiry", Plain, "30", values::integer::<_, 0, 36_500>;
    /// Days for which events are kept.
    event_days: u32 = "eventdays", Plain, "90", values::integer::<_, 1, 36_500>;
    /// Events that are kept at most; beyond that the oldest go.
    event_rows_max: u32 = "eventrows", Plain, "1000000", values::integer::<_, 1000, 1_000_000_000>;
    /// Failed logins after which the next one locks the account for a time.
    user_lock_tries: u32 = "userlocktries", Plain, "10", values::integer::<_, 1, 1000>;
    /// Seconds for which failed logins lock an account.
    user_lock_seconds: u32 = "userlocktime", Plain, "3600", values::integer::<_, 1, 31_536_000>;
    /// What a new password must keep to: four numbers by name, or `nist` for the rules of NIST SP 800-63B-4. With
    /// `nist` passwords are normalised (NFKC) before they are hashed, so that a password fits on every keyboard; hashes
    /// made before stay good, and are replaced when their owner logs in.
    password_policy: PasswordPolicy = "passpolicy", Plain,
        "min_pass_length:12; max_unsafe_similarity:50; max_char_frequency:0.3; min_pwned_matches:25",
        values::password_policy;
    /// Requests a minute: for each kind, for single requests by name, and how many may come at once; or `none`.
    rate_limits: RateLimits = "ratelimits", Plain,
        "ipaddr:720; user:480; session:600; apikey:720; burst:150", values::rate_limits;
    /// Threads that answer requests. One more than there are processors usually answers most, and the slowest soonest.
    workers: usize = "workers", Plain, "4", values::integer::<_, 1, 256>;
    /// The mail server.
    email_server: String = "emailserver", Plain, "localhost", values::host;
    /// The mail server's port.
    email_port: u16 = "emailport", Plain, "25", values::integer::<_, 1, 65_535>;
    /// The name to log in with at the mail server. Without one, the name of the system's user.
    email_user: String = "emailuser", Plain, "", values::line;
    /// The password for the mail server. Without one there is no login.
    email_password: Secret<String> = "emailpass", Secret, "", values::secret;
    /// The sender of all mail.
    email_sender: String = "emailsender", Plain, "Authnzerver <authnzerver@localhost>", values::sender;
    /// The server's certificate, then its intermediates, a PEM file. With it and its key, the server speaks TLS only.
    tls_certificate_file: Option<PathBuf> = "tlscertfile", File, "", values::optional_file;
    /// The certificate's private key, a PEM file.
    tls_key_file: Option<PathBuf> = "tlscertkey", File, "", values::optional_file;

    /// `starttls`, `tls` from the first byte, or `none`. `auto` takes `tls` on port 465 and `starttls` elsewhere,
    /// and speaks in plaintext only to this very machine.
    email_tls: Protection = "emailtls", Plain, "auto", values::email_tls;
    /// 0 accepts any certificate from the mail server.
    email_verify: bool = "emailverify", Plain, "1", values::boolean;
    /// What this server calls itself towards the mail server. `auto` takes the name of this machine if there is a dot in
    /// it, otherwise the domain of the sender.
    email_client_name: Option<String> = "emailhelo", Plain, "auto", values::optional_client_name;
    /// 1 lets a request bring its own mail server, login and sender.
    email_overrides: bool = "emailoverrides", Plain, "0", values::boolean;
    /// A directory of texts for the emails that the server sends by itself, in place of the built-in ones. A start and a
    /// reload read it.
    email_templates: Option<PathBuf> = "templates", Location, "", values::optional_file;
    /// The language of emails for whoever has no other, such as `de` or `pt-BR`.
    email_language: String = "emaillanguage", Plain, "en", values::language;
    /// Hours before one account gets the next forgotten-password email; 0 for no wait.
    mail_wait_hours: u32 = "mailwait", Plain, "24", values::integer::<_, 0, 8760>;
    /// The only base URLs that emails may link to, with `;` between them. Without any, every one is taken.
    base_urls: Vec<String> = "baseurls", Plain, "", values::base_urls;
    /// How the codes that the server makes get from an email to the site: by a `link`, or `typed`, eight characters long.
    code_form: CodeForm = "codes", Plain, "link", values::code_form;
    /// How users change their address: `direct`, with `user-edit`, or `proof`: `user-edit` refuses it, and what is left is
    /// `email-change-start`, where the new address has to be proven and the old one can undo the change. Operators and
    /// `internal-user-edit` change addresses either way.
    email_change: EmailChange = "emailchange", Plain, "direct", values::email_change;
    /// Hours for which the code of a sign-up's email is good, and of one that proves a new address.
    signup_code_hours: u32 = "signupcodehours", Plain, "24", values::integer::<_, 1, 720>;
    /// Minutes for which the code of a forgotten-password email is good.
    reset_code_minutes: u32 = "resetcodeminutes", Plain, "60", values::integer::<_, 5, 1440>;
    /// 1 lets users log in by a code that is emailed to them.
    login_link: bool = "loginlink", Plain, "0", values::boolean;
    /// Whose failed logins count together: `account`, or `account-and-client`, which keeps a stranger on another
    /// network from locking the owner out; after 100 failures on an account in all, strangers are slowed.
    lock_mode: LockMode = "lockmode", Plain, "account", values::lock_mode;
    /// What comes of failed logins before they lock: with `hold` the answers come later and later, up to 40 seconds; with
    /// `refuse` they come at once, and the next attempt is refused, not counted, until that time is over.
    backoff: Backoff = "backoff", Plain, "hold", values::backoff;
    /// Days from now at which a new session expires at the latest; 0 for no limit.
    session_days_max: u32 = "sessionmax", Plain, "0", values::integer::<_, 0, 36_500>;
    /// What API keys from `apikey-issue` begin with: up to 12 lower-case letters and digits. Keys with another beginning stay
    /// good.
    api_key_prefix: String = "apikeyprefix", Plain, "azk", values::api_key_prefix;
    /// The longest life of an API key in days. With fewer than 36500, `apikey-issue` issues no key that never expires.
    api_key_days_max: u32 = "apikeymax", Plain, "36500", values::integer::<_, 1, 36_500>;
    /// The longest life of an API key's refresh token in days.
    refresh_token_days_max: u32 = "refreshmax", Plain, "36500", values::integer::<_, 1, 36_500>;
    /// The cost of a new password hash (Argon2id): memory in KiB, passes, lanes.
    argon2: Argon2Cost = "argon2", Plain, "m=65536,t=3,p=4", values::argon2_cost;
    /// Threads that hash passwords. `auto` takes up to four, as many as processors and half of the memory allow.
    /// Each keeps the memory of one hash for itself, and gives it back after ten idle seconds; what doesn't fit is lowered with a warning.
    hash_threads: Option<usize> = "hashthreads", Plain, "auto", values::integer_or_auto::<_, 1, 64>;
    /// The most memory, in MiB, that a stored password hash may ask for.
    hash_memory_mib_max: u32 = "hashmemorymax", Plain, "512", values::integer::<_, 1, 65_536>;
    /// The most passes that a stored password hash may ask for.
    hash_passes_max: u32 = "hashtimemax", Plain, "16", values::integer::<_, 1, 1000>;
    /// The most lanes that a stored password hash may ask for.
    hash_lanes_max: u32 = "hashlanesmax", Plain, "64", values::integer::<_, 1, 1024>;
    /// The service that knows leaked passwords by the beginning of their hash, or `none`.
    pwned_url: Option<String> = "pwnedurl", Plain, "https://api.pwnedpasswords.com", values::service_url;
    /// What happens to a new password while that service cannot be asked: `open` lets it pass, `closed` refuses it.
    pwned_fail: PwnedFail = "pwnedfail", Plain, "open", values::pwned_fail;
    /// A filter of leaked passwords, made by `authnzerver pwned build`, asked before the service.
    pwned_file: Option<PathBuf> = "pwnedfile", File, "", values::optional_file;
    /// The name that a new password must not resemble. Without one, the name of this machine.
    server_name: Option<String> = "servername", Plain, "", values::optional_host;
    /// The address and port where `/metrics` can be read, such as `127.0.0.1:9464`. Without one it is nowhere.
    metrics: Option<SocketAddr> = "metrics", Plain, "", values::optional_socket_address;
    /// Connections open at a time. Where memory or descriptors suffice for fewer, there are fewer.
    connections_max: usize = "connectionsmax", Plain, "2048", values::integer::<_, 1, 1_000_000>;
    /// Bytes of a request's body.
    body_bytes_max: usize = "bodymax", Plain, "1048576", values::integer::<_, 1024, 104_857_600>;
    /// Seconds in which a request's head must arrive.
    head_seconds_max: u32 = "headseconds", Plain, "10", values::integer::<_, 1, 3600>;
    /// Seconds in which a request's body must arrive.
    body_seconds_max: u32 = "bodyseconds", Plain, "20", values::integer::<_, 1, 3600>;
    /// Seconds for which a connection may wait between two requests.
    idle_seconds_max: u32 = "idleseconds", Plain, "75", values::integer::<_, 1, 86_400>;
    /// Seconds that requests under way get to finish when the server stops.
    drain_seconds_max: u32 = "drainseconds", Plain, "8", values::integer::<_, 0, 3600>;
    /// `text` for `key=value` lines, `json` for one JSON object a line.
    log_format: LogFormat = "logformat", Plain, "text", values::log_format;
    /// The least level that is logged: `debug`, `info`, `warning`, `error` or `none`.
    log_level: LevelFilter = "loglevel" or option "logging", Plain, "info", values::log_level;
}
