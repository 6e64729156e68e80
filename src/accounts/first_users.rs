//! What a database must hold before anybody can use it: the policy's roles and the first three users.

use crate::guard::password::{Asker, Hasher};
use crate::guard::secret::{Password, Secret};
use crate::guard::token::{Token, uuid4};
use crate::outcome::Error;
use crate::policy::email::EmailAddress;
use crate::policy::model::Policy;
use crate::policy::roles::Role;
use crate::rng::Rng;
use crate::store::events::{By, EventKind, NewEvent, Trail};
use crate::store::users::{self, NewUser};
use crate::store::{Store, Tx, restart_user_numbers, roles};
use std::{panic, thread};

/// What was missing and has been added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Initialised {
    /// Everything was there already but for this many roles.
    Before {
        /// Roles that the policy has and the database had not.
        roles_added: usize,
    },
    /// The database was empty; it has its first three users now.
    JustNow,
}

/// Adds the roles that are missing and, to a database without users, the first three users, all or nothing.
///
/// # Errors
///
/// A failing database, or no memory to hash a password in.
pub fn initialise(
    store: &Store,
    policy: &Policy,
    hasher: &Hasher,
    rng: &dyn Rng,
    admin_email: &str,
    admin_password: &Secret<String>,
) -> Result<Initialised, Error> {
    let names: Vec<String> = policy.roles().map(str::to_owned).collect();
    let is_empty = store.read(users::count)? == 0;
    let first_users =
        if is_empty { Some(first_users(hasher, rng, admin_email, admin_password)?) } else { None };
    store.write(move |tx| {
        let roles_added = insert_roles(tx, &names)?;
        // Counted again where nobody else can write: two servers may start at once.
        let is_still_empty = users::count(tx)? == 0;
        let Some(first_users) = first_users.as_ref().filter(|_| is_still_empty) else {
            return Ok(Initialised::Before { roles_added });
        };
        restart_user_numbers(tx)?;
        for user in first_users {
            let user_id = users::insert(tx, user)?;
            Trail::default().note(tx, By::SERVER, NewEvent::about(EventKind::AccountAdded, user_id))?;
        }
        Ok(Initialised::JustNow)
    })
}

/// Adds the policy's roles that are missing, so that they can be given to users. Tells how many.
///
/// # Errors
///
/// A failing database.
pub fn add_roles(store: &Store, policy: &Policy) -> Result<usize, Error> {
    let names: Vec<String> = policy.roles().map(str::to_owned).collect();
    store.write(move |tx| insert_roles(tx, &names))
}

fn insert_roles(tx: &Tx<'_>, names: &[String]) -> Result<usize, Error> {
    let mut added = 0;
    for name in names {
        added += usize::from(roles::insert(tx, name)?);
    }
    Ok(added)
}

/// In the order of their numbers: 1, 2 and 3 mean these users everywhere.
fn first_users(
    hasher: &Hasher,
    rng: &dyn Rng,
    admin_email: &str,
    admin_password: &Secret<String>,
) -> Result<[NewUser; 3], Error> {
    let user = |full_name: &str, email: &str, role: Role, kind: &str, password: &_| NewUser {
        system_id: uuid4(rng),
        full_name: full_name.to_owned(),
        password: Clone::clone(password),
        email: EmailAddress::folded(email),
        email_verified: true,
        is_active: !role.is_locked(),
        emailverify_sent_datetime: None,
        extra_info: format!(r#"{{"provenance": "auto-created", "type": "{kind}"}}"#),
        user_role: role,
        verification_email_due: false,
    };
    let hash = |password: &Password| hasher.hash(&Asker::server(), password);
    // Of a password that nobody ever learns, for both of those who never log in: a second hash would only delay the start.
    let unknown = Password::from(Token::new(rng).reveal());
    // At once, where the hasher has a thread for each: a first start takes hardly longer than one of them.
    let (admin_password, unknown) = thread::scope(|scope| {
        let unknown = scope.spawn(|| hash(&unknown));
        let admin_password = hash(&Password::from(admin_password.expose().as_str()));
        (admin_password, unknown.join().unwrap_or_else(|fault| panic::resume_unwind(fault)))
    });
    let (admin_password, unknown) = (admin_password?, unknown?);
    Ok([
        user("Administrator", admin_email, Role::SUPERUSER, "system-user", &admin_password),
        user("Anonymous visitor", "anonuser@localhost", Role::ANONYMOUS, "system-user", &unknown),
        user("Locked placeholder", "dummyuser@localhost", Role::LOCKED, "locked-user", &unknown),
    ])
}
