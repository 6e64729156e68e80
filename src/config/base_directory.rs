//! The files that a server keeps in its base directory, under the names that the Python authnzerver gave them,
//! and how they come into being. Nothing here overwrites anything.

use super::values;
use crate::files::{self, KEY_FILE_MODE};
use crate::guard::envelope::generate_key;
use crate::guard::secret::Secret;
use crate::guard::token::random_password;
use crate::problem;
use crate::problem::{Loggable, Problem};
use crate::rng::Rng;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Variables with their values.
pub const ENV_FILE: &str = ".env";
/// The database.
pub const DATABASE_FILE: &str = ".authdb.sqlite";
/// The key that seals messages.
pub const SECRET_FILE: &str = ".authnzerver-secret-key";
/// What personal data is hashed with.
pub const PII_SALT_FILE: &str = ".authnzerver-salt";
/// The first administrator's e-mail address and password.
pub const ADMIN_CREDENTIALS_FILE: &str = ".authnzerver-admin-credentials";
/// The permissions policy, to be edited.
pub const PERMISSIONS_FILE: &str = "default-permissions-model.json";

/// The longest file of credentials that can be ours.
const CREDENTIALS_BYTES_MAX: u64 = 4096;
/// Stands in the credentials file for a password that its owner knows.
const PASSWORD_WAS_GIVEN: &str = "password-was-user-generated";

/// The file that stands in for a required setting.
pub(super) fn file_for(setting: &str) -> Option<&'static str> {
    match setting {
        "authdb" => Some(DATABASE_FILE),
        "secret" => Some(SECRET_FILE),
        "piisalt" => Some(PII_SALT_FILE),
        _ => None,
    }
}

/// What a start makes in the base directory: the setting that is given nowhere, the file, and what it is.
pub(super) const MADE: [(&str, &str, &str); 2] = [
    ("secret", SECRET_FILE, "key that clients need to talk to the server"),
    ("piisalt", PII_SALT_FILE, "salt for hashes in logs"),
];

/// Makes the directory, and the key and the salt unless those settings are `given`, as far as they are missing.
/// Tells what was made.
///
/// # Errors
/// What the file system says, with the path.
pub fn make_what_is_missing(
    base: &Path,
    given: impl Fn(&str) -> bool,
    rng: &dyn Rng,
) -> Result<Vec<Problem>, Problem> {
    let mut notes = Vec::new();
    let made = files::ensure_private_directory(base)
        .map_err(|error| problem!("the base directory {} cannot be made: {}", base.display(), error))?;
    if made {
        notes.push(problem!("made the base directory {}", base.display()));
    }
    for (setting, name, purpose) in MADE {
        if given(setting) {
            continue;
        }
        let path = base.join(name);
        match files::create_private(&path, KEY_FILE_MODE, generate_key(rng).expose().as_bytes()) {
            Ok(()) => notes.push(problem!("made the {}: {}", purpose, path.display())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(problem!("{} cannot be made: {}{}", path.display(), error, remedy(base, &error)));
            }
        }
    }
    Ok(notes)
}

/// What helps whoever may not make files in the base directory.
fn remedy(base: &Path, error: &io::Error) -> Problem {
    let Ok(about) = std::fs::metadata(base) else { return "".into() };
    if error.kind() != io::ErrorKind::PermissionDenied {
        return "".into();
    }
    problem!(
        "; the base directory (mode {}, of user {}) has to be the server's own: run `chmod u+rwx {}`, or `chown` it to \
         the server's user ({}), or set another one (basedir)",
        Mode(about.mode()),
        about.uid(),
        base.display(),
        std::fs::metadata("/proc/self").map_or_else(|_| "see `id`".into(), |us| Problem::of(&us.uid()))
    )
}

struct Mode(u32);

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04o}", self.0 & 0o7777)
    }
}

impl Loggable for Mode {}

/// How the operator wants the first administrator of a new database to be.
pub struct AdminChoice {
    /// The e-mail address, one word with an `@`.
    pub email: String,
    /// Whether the operator gave that address; otherwise it is a default.
    pub email_is_given: bool,
    /// The password, unless a random one is to be made.
    pub password: Option<Secret<String>>,
}

/// The first administrator of a new database.
pub struct AdminAccount {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: Secret<String>,
    /// The file that tells how to log in.
    pub credentials: PathBuf,
}

/// Writes down how the first administrator logs in, for the owner's eyes only. To be called only where there are no
/// users yet, and before they are made, for a random password that is written nowhere is lost.
///
/// A file that is there already was written by a first start that was cut short, or by another one that is under way:
/// its password is the one that counts, and its address unless another was given. So the file always tells what is in
/// the database, whenever a start is killed. A password that was given is not written, and a file that names another
/// one is replaced.
///
/// # Errors
/// What the file system says.
pub fn settle_first_admin(base: &Path, choice: &AdminChoice, rng: &dyn Rng) -> io::Result<AdminAccount> {
    let credentials = base.join(ADMIN_CREDENTIALS_FILE);
    if let Some(password) = &choice.password {
        let line = credentials_line(&choice.email, PASSWORD_WAS_GIVEN);
        files::replace_private(&credentials, KEY_FILE_MODE, line.as_bytes())?;
        return Ok(AdminAccount { email: choice.email.clone(), password: password.clone(), credentials });
    }
    let random = random_password(rng);
    let line = credentials_line(&choice.email, random.expose());
    match files::create_private(&credentials, KEY_FILE_MODE, line.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => {
            made?;
            return Ok(AdminAccount { email: choice.email.clone(), password: random, credentials });
        }
    }
    let (email, password) = match written_credentials(&credentials)? {
        Some((email, password)) if !choice.email_is_given || email == choice.email => (email, password),
        found => {
            let password = found.map_or(random, |(_, password)| password);
            let line = credentials_line(&choice.email, password.expose());
            files::replace_private(&credentials, KEY_FILE_MODE, line.as_bytes())?;
            (choice.email.clone(), password)
        }
    };
    Ok(AdminAccount { email, password, credentials })
}

fn credentials_line(email: &str, password: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("{email} {password}\n"))
}

/// Address and password of a file of credentials; nothing if it is damaged, or tells no password.
fn written_credentials(path: &Path) -> io::Result<Option<(String, Secret<String>)>> {
    let bytes = Zeroizing::new(files::read_small(path, CREDENTIALS_BYTES_MAX)?.bytes);
    let line = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n'));
    let words: Vec<&str> = line.map(|line| line.split(' ').collect()).unwrap_or_default();
    Ok(match words.as_slice() {
        [email, password]
            if values::email_address(email).is_ok()
                && !password.is_empty()
                && *password != PASSWORD_WAS_GIVEN =>
        {
            Some(((*email).to_owned(), Secret::new((*password).to_owned())))
        }
        _ => None,
    })
}

/// What about the base directory and the database the operator should know before the server makes or uses them; a
/// line each. A directory that has nothing of ours is nobody's business. In a first start, the key was just made.
#[must_use]
pub fn concerns(base: &Path, database: Option<&Path>, is_first_start: bool) -> Vec<Problem> {
    let ours = [SECRET_FILE, PII_SALT_FILE, ADMIN_CREDENTIALS_FILE, DATABASE_FILE];
    let found: Vec<&str> = ours.into_iter().filter(|name| base.join(name).exists()).collect();
    let mut concerns = Vec::new();
    let is_open = std::fs::metadata(base).is_ok_and(|about| files::is_open_to_others(&about));
    if !found.is_empty() && is_open {
        let base = base.display();
        concerns
            .push(problem!("others have rights on the base directory; take them away: chmod 0700 {}", base));
    }
    let left = [ADMIN_CREDENTIALS_FILE, SECRET_FILE].into_iter().find(|name| found.contains(name));
    let missing = database.filter(|database| !is_first_start && !database.exists());
    if let Some((left, database)) = left.zip(missing) {
        concerns.push(problem!("there is no database {}, though {} is there: unless this is a first start, the database is gone; \
             stop the server and put it back, for a new one without your users is made now", database.display(), left));
    }
    concerns
}

/// Says that a server runs on this base directory, for as long as the result lives; nothing if another one says so
/// already. Where a directory cannot be locked, as on some network file systems, nobody is known to run there.
///
/// # Errors
/// Another server's claim, in words for the operator.
pub fn claim(base: &Path) -> Result<Option<File>, Problem> {
    let Ok(directory) = File::open(base) else { return Ok(None) };
    match directory.try_lock() {
        Ok(()) => Ok(Some(directory)),
        Err(TryLockError::Error(_)) => Ok(None),
        Err(TryLockError::WouldBlock) => Err(problem!(
            "another server is running on the base directory {}: unless it is about to stop, stop one of them; \
             each counts requests and waits for the database on its own",
            base.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;
    use std::os::unix::fs::PermissionsExt as _;

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).expect("the file was made")
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("the file was made").permissions().mode() & 0o777
    }

    #[test]
    fn keys_are_made_once_and_kept() {
        let room = tempfile::tempdir().expect("a directory");
        let base = room.path().join("run");
        assert_eq!(make_what_is_missing(&base, |_| false, &SeededRng::new(1)).expect("made").len(), 3);
        let (key, salt) = (text(&base.join(SECRET_FILE)), text(&base.join(PII_SALT_FILE)));
        assert_eq!((key.len(), salt.len()), (44, 44));
        assert_ne!(key, salt);
        assert_eq!(
            (mode(&base), mode(&base.join(SECRET_FILE)), mode(&base.join(PII_SALT_FILE))),
            (0o700, 0o400, 0o400)
        );
        assert!(
            make_what_is_missing(&base, |_| false, &SeededRng::new(2)).expect("nothing to do").is_empty()
        );
        assert_eq!(text(&base.join(SECRET_FILE)), key);
    }

    fn choice(email_is_given: bool, password: Option<&str>) -> AdminChoice {
        let password = password.map(|password| Secret::new(password.to_owned()));
        AdminChoice { email: "me@localhost".into(), email_is_given, password }
    }

    #[test]
    fn the_credentials_that_are_there_are_the_ones_that_count() {
        let room = tempfile::tempdir().expect("a directory");
        let path = room.path().join(".authnzerver-admin-credentials");
        let load_config = |seed, choice: &AdminChoice| {
            settle_first_admin(room.path(), choice, &SeededRng::new(seed)).expect("written")
        };
        let admin = load_config(1, &choice(false, None));
        let password = admin.password.expose().to_owned();
        assert_eq!((text(&path), mode(&path)), (format!("me@localhost {password}\n"), 0o400));
        assert_eq!(password.len(), 22);
        assert_eq!(
            load_config(2, &choice(false, None)).password.expose(),
            &password,
            "a start after one that was killed"
        );

        std::fs::remove_file(&path).expect("is there");
        std::fs::write(&path, "you@localhost other\n").expect("writes");
        let admin = load_config(3, &choice(false, None));
        assert_eq!((admin.email.as_str(), admin.password.expose().as_str()), ("you@localhost", "other"));
        assert_eq!(load_config(3, &choice(true, None)).email, "me@localhost");
        assert_eq!(text(&path), "me@localhost other\n");

        assert_eq!(load_config(4, &choice(true, Some("hidden"))).password.expose(), "hidden");
        assert_eq!(
            (text(&path).as_str(), mode(&path)),
            ("me@localhost password-was-user-generated\n", 0o400)
        );
        for damaged in ["", "me@localhost", "me@localhost half", "me@localhost password-was-user-generated\n"]
        {
            std::fs::remove_file(&path).expect("is there");
            std::fs::write(&path, damaged).expect("writes");
            let admin = load_config(5, &choice(false, None));
            assert_eq!(text(&path), format!("me@localhost {}\n", admin.password.expose()), "{damaged}");
            assert_eq!(admin.password.expose().len(), 22);
        }
        assert_eq!(std::fs::read_dir(room.path()).expect("reads").count(), 1, "nothing is left beside it");
    }
}
