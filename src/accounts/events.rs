//! What has happened, for whoever follows it.

use crate::app::App;
use crate::store::StoreError;
use crate::store::events::{By, EventKind, NewEvent, Trail};

/// Writes down that the server reads the permissions policy again.
///
/// # Errors
///
/// A failing database.
pub fn note_policy_reloaded(app: &App) -> Result<(), StoreError> {
    let event = NewEvent::new(EventKind::PolicyReloaded);
    app.store.write(move |tx| Trail::default().note(tx, By::SERVER, event))
}
