//! The keys of messages that the server has taken up: what changes of them, and when each was last used. Only their
//! fingerprints are known here.

use crate::app::App;
use crate::clock::Timestamp;
use crate::guard::envelope::{Key, is_key_name};
use crate::guard::redact::PiiSalt;
use crate::guard::token::TokenId;
use crate::store::events::{By, EventKind, NewEvent, Trail};
use crate::store::message_keys::{MessageKey, delete, list, set, set_last_used};
use crate::store::{StoreError, Tx};

/// What names a key.
#[must_use]
pub fn fingerprint(key: &Key, salt: &PiiSalt) -> TokenId {
    TokenId::from_bytes(key.fingerprint(salt))
}

/// Notes which keys the server has, and leaves an event if they are others than it had before, or may ask something else.
/// Of the first that it ever has there is none.
///
/// # Errors
///
/// A failing database.
pub fn note_keys(app: &App) -> Result<(), StoreError> {
    let taken_up = |key: &Key| MessageKey {
        fingerprint: fingerprint(key, &app.config.pii_salt),
        // What else stands behind a key may be anything.
        name: key.name().filter(|name| is_key_name(name)).map(str::to_owned),
        requests: key.requests().map(|requests| requests.join(",")),
        last_used: None,
    };
    let keys: Vec<MessageKey> = app.keys.load().iter().map(taken_up).collect();
    let known = app.store.read(list)?;
    if keys.len() == known.len() && keys.iter().all(|key| is_in(&known, key)) {
        return Ok(());
    }
    app.store.write(move |tx| note(tx, &keys))
}

fn note(tx: &Tx<'_>, keys: &[MessageKey]) -> Result<(), StoreError> {
    let known = list(tx)?;
    let has =
        |keys: &[MessageKey], key: &MessageKey| keys.iter().any(|other| other.fingerprint == key.fingerprint);
    let mut told = vec![format!("keys: {}", keys.len())];
    for key in keys.iter().filter(|key| !is_in(&known, key)) {
        told.push(format!("{} {}", if has(&known, key) { "changed" } else { "new" }, shown(key)));
        set(tx, key)?;
    }
    for key in known.iter().filter(|key| !has(keys, key)) {
        told.push(format!("gone {}", shown(key)));
        delete(tx, key.fingerprint)?;
    }
    if known.is_empty() || told.len() == 1 {
        return Ok(());
    }
    let event = NewEvent::new(EventKind::MessageKeysChanged).detail(told.join("; "));
    Trail::default().note(tx, By::SERVER, event)
}

/// Whether this key is known as it is now.
fn is_in(known: &[MessageKey], key: &MessageKey) -> bool {
    known.iter().any(|other| {
        (other.fingerprint, &other.name, &other.requests) == (key.fingerprint, &key.name, &key.requests)
    })
}

fn shown(key: &MessageKey) -> String {
    key.name.clone().unwrap_or_else(|| key.fingerprint.to_string())
}

/// Writes down when keys were last used, as far as that is new.
///
/// # Errors
///
/// A failing database. The next time writes it down, then.
pub fn write_uses(app: &App) -> Result<(), StoreError> {
    let known = app.store.read(list)?;
    let is_new = |id: TokenId, at: Timestamp| {
        known.iter().any(|key| key.fingerprint == id && key.last_used.is_none_or(|written| written < at))
    };
    let keys = app.keys.load();
    let uses = keys.iter().filter_map(|key| Some((fingerprint(key, &app.config.pii_salt), key.last_used()?)));
    let uses: Vec<_> = uses.filter(|(id, at)| is_new(*id, *at)).collect();
    if uses.is_empty() {
        return Ok(());
    }
    app.store.write(move |tx| uses.iter().try_for_each(|(id, at)| set_last_used(tx, *id, *at)))
}
