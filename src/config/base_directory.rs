//! The files that a server keeps in its base directory, under the names that the Python authnzerver gave them,
//! and how they come into being. Nothing here overwrites anything.

use crate::chance::Chance;
use crate::clock::Moment;
use crate::files::{self, KEY_FILE_MODE};
use crate::guard::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use std::io;
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

const KEY_BYTES: usize = 32;
const ADMIN_PASSWORD_BYTES: usize = 16;
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

/// Makes the directory, and the key and the salt unless those settings are `given`, as far as they are missing.
/// Tells what was made.
///
/// # Errors
/// What the file system says, with the path.
pub fn make_what_is_missing(
    base: &Path,
    given: impl Fn(&str) -> bool,
    chance: &dyn Chance,
) -> Result<Vec<String>, String> {
    let mut notes = Vec::new();
    let made = files::ensure_private_directory(base)
        .map_err(|error| format!("the base directory {} cannot be made: {error}", base.display()))?;
    if made {
        notes.push(format!("made the base directory {}", base.display()));
    }
    for (setting, name, purpose) in [
        ("secret", SECRET_FILE, "key that clients need to talk to the server"),
        ("piisalt", PII_SALT_FILE, "salt for hashes in logs"),
    ] {
        if given(setting) {
            continue;
        }
        let path = base.join(name);
        match files::create_private(&path, KEY_FILE_MODE, random_key(chance).as_bytes()) {
            Ok(()) => notes.push(format!("made the {purpose}: {}", path.display())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{} cannot be made: {error}", path.display())),
        }
    }
    Ok(notes)
}

/// The first administrator of a new database.
pub struct AdminAccount {
    /// The e-mail address, one word with an `@`.
    pub email: String,
    /// The password, given or made up.
    pub password: Secret<String>,
    password_was_given: bool,
}

impl AdminAccount {
    /// An account with the given password, or with a random one.
    #[must_use]
    pub fn new(email: String, password: Option<Secret<String>>, chance: &dyn Chance) -> Self {
        let password_was_given = password.is_some();
        let password = password.unwrap_or_else(|| {
            let mut bytes = Zeroizing::new([0; ADMIN_PASSWORD_BYTES]);
            chance.fill(bytes.as_mut());
            Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_ref()))
        });
        Self { email, password, password_was_given }
    }
}

/// Writes down how the first administrator logs in, for the owner's eyes only, and tells where. A password that
/// was given is not written. Best done before the account is made: a random password that is written nowhere is
/// lost, whereas a file too many does no harm and can be removed.
///
/// # Errors
/// What the file system says.
pub fn write_admin_credentials(base: &Path, admin: &AdminAccount, now: Moment) -> io::Result<PathBuf> {
    let password = if admin.password_was_given { PASSWORD_WAS_GIVEN } else { admin.password.expose() };
    let line = Zeroizing::new(format!("{} {password}\n", admin.email));
    let path = base.join(ADMIN_CREDENTIALS_FILE);
    match files::create_private(&path, KEY_FILE_MODE, line.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let path = files::with_suffix(&path, &format!("-{}", now.unix_seconds()));
            files::create_private(&path, KEY_FILE_MODE, line.as_bytes()).map(|()| path)
        }
        other => other.map(|()| path),
    }
}

/// 32 random bytes in base64, which serve as a key for messages and as a salt alike.
fn random_key(chance: &dyn Chance) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    chance.fill(bytes.as_mut());
    Zeroizing::new(URL_SAFE.encode(bytes.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::SeededChance;
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
        assert_eq!(make_what_is_missing(&base, |_| false, &SeededChance::new(1)).expect("made").len(), 3);
        let (key, salt) = (text(&base.join(SECRET_FILE)), text(&base.join(PII_SALT_FILE)));
        assert_eq!((key.len(), salt.len()), (44, 44));
        assert_ne!(key, salt);
        assert_eq!(
            (mode(&base), mode(&base.join(SECRET_FILE)), mode(&base.join(PII_SALT_FILE))),
            (0o700, 0o400, 0o400)
        );
        assert!(
            make_what_is_missing(&base, |_| false, &SeededChance::new(2)).expect("nothing to do").is_empty()
        );
        assert_eq!(text(&base.join(SECRET_FILE)), key);
    }

    #[test]
    fn credentials_never_replace_older_ones() {
        let room = tempfile::tempdir().expect("a directory");
        let now = Moment::parse("2026-11-23 14:06:11").expect("a time");
        let random = AdminAccount::new("me@localhost".into(), None, &SeededChance::new(1));
        let first = write_admin_credentials(room.path(), &random, now).expect("written");
        assert_eq!(first, room.path().join(".authnzerver-admin-credentials"));
        assert_eq!(text(&first), format!("me@localhost {}\n", random.password.expose()));
        assert_eq!((random.password.expose().len(), mode(&first)), (22, 0o400));
        let given = AdminAccount::new(
            "me@localhost".into(),
            Some(Secret::new("hidden".into())),
            &SeededChance::new(1),
        );
        let second = write_admin_credentials(room.path(), &given, now).expect("written");
        assert_eq!(second, room.path().join(".authnzerver-admin-credentials-1795442771"));
        assert_eq!(text(&second), "me@localhost password-was-user-generated\n");
        assert!(write_admin_credentials(room.path(), &given, now).is_err());
        assert_eq!(text(&first), format!("me@localhost {}\n", random.password.expose()));
    }
}
