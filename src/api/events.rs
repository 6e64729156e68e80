//! What has happened, for calling servers: to keep a copy, to empty a cache, to tell somebody.

use crate::accounts::events::{After, EVENTS_MAX, NoSuchPosition, Position, Wanted, since};
use crate::app::Call;
use crate::clock::Timestamp;
use crate::json::WipedList;
use crate::outcome::{Done, Outcome, Refusal};
use crate::store::events::EventKind;
use crate::user_id::UserId;
use crate::{requests, shape};
use std::time::Duration;

/// Events in one answer, unless the request says otherwise.
const LIMIT: i64 = 100;
/// How long a request may wait.
const WAIT_SECONDS_MAX: i64 = 60;
/// For how long what a cache knows holds good after an answer without more events.
const LEASE_SECONDS: i64 = 10;

const NO_SUCH_POSITION: Refusal = Refusal::new(
    "invalid request: no event has this position; begin anew",
    "The events could not be listed.",
);
const NO_SUCH_KIND: Refusal =
    Refusal::new("invalid request: there is no such kind of event", "The events could not be listed.");
const NO_SUCH_NUMBER: Refusal = Refusal::new(
    "invalid request: limit is 1 to 1000, wait_seconds 0 to 60",
    "The events could not be listed.",
);

shape! {
    /// Something that happened.
    struct ListedEvent {
        /// Its number. Which events come after it, its position says.
        number: i64,
        /// The position after it.
        position: String,
        /// When it happened.
        at: Timestamp,
        /// Its kind.
        kind: String,
        /// The account that it is about.
        user_id: Option<UserId>,
        /// Who did it: `session`, `password`, `code`, `API key`, `calling server`, `operator`, `server` or `unknown`.
        actor: String,
        /// Whose session, password or key it was.
        actor_id: Option<UserId>,
        /// The session or API key that it is about, as session-list and apikey-list call it.
        object: Option<String>,
        /// What else there is to say.
        detail: Option<String>,
        /// The client's network, until its user is deleted.
        network: Option<String>,
        /// The ID of the request that did it, until its user is deleted.
        request_id: Option<String>,
        /// The login name of the operator who did it.
        operator: Option<String>,
    }
}

requests! {
    /// Lists what happened after a position, and waits if that is nothing yet. Ask again with the position of the answer.
    /// With `lost`, forget what you know and go on from there: events in between are not kept any more, or cannot be read.
    "events-since" => events_since(EventsSince), 3000/min, repeat reads {
        /// The position of an earlier answer; `now` for what happens from now on, `first` for all that is kept.
        after: str,
    } optional {
        /// How long to wait for an event, at most 60 seconds; not at all in a batch.
        wait_seconds: int,
        /// The kinds of events that are wanted; all of them without.
        kinds: list,
        /// How many to list, at most 1000; 100 without.
        limit: int,
    } answers Events {
        /// The events, in the order in which they were committed.
        events: Vec<ListedEvent>,
        /// Where to go on.
        position: String,
        /// Whether something may have been missed.
        lost: bool,
        /// Whether there is more already.
        more: bool,
        /// For how many seconds from now a cache that knows all events up to here may answer without asking.
        lease_seconds: i64,
    } refuses [NO_SUCH_POSITION, NO_SUCH_KIND, NO_SUCH_NUMBER]
}

fn events_since(call: &mut Call<'_>, ask: EventsSince) -> Outcome<Events> {
    let (limit, wait_seconds) = (ask.limit.unwrap_or(LIMIT), ask.wait_seconds.unwrap_or(0));
    if !(1..=EVENTS_MAX).contains(&limit) || !(0..=WAIT_SECONDS_MAX).contains(&wait_seconds) {
        return Err(NO_SUCH_NUMBER.to_failure());
    }
    let after = match ask.after.as_str() {
        "now" => After::Now,
        "first" => After::Beginning,
        text => After::Position(Position::parse(text).ok_or_else(|| NO_SUCH_POSITION.to_failure())?),
    };
    let kinds = kinds(ask.kinds.as_ref()).ok_or_else(|| NO_SUCH_KIND.to_failure())?;
    let wait = Duration::from_secs(wait_seconds.unsigned_abs());
    let found = since(call, &Wanted { after, kinds, limit, wait });
    let feed = found.map_err(|error| error.map_refusal(|NoSuchPosition| NO_SUCH_POSITION.to_failure()))?;
    if let Some(oldest) = feed.events.first() {
        // Not the time at which the request began: it may have waited.
        let micros = call.app().clock.now().micros().saturating_sub(oldest.at.micros());
        call.app().metrics.event_lag.observe(Duration::from_micros(micros.try_into().unwrap_or(0)));
    }
    let listed = feed.events.into_iter().map(|event| ListedEvent {
        number: event.seq,
        position: Position::of(event.link()).to_string(),
        at: event.at,
        kind: event.kind,
        user_id: event.user_id,
        actor: event.actor,
        actor_id: event.actor_id,
        object: event.object,
        detail: event.detail,
        network: event.network,
        request_id: event.request_id,
        operator: event.operator,
    });
    Ok(Done::quiet(Events {
        events: listed.collect(),
        position: feed.position.to_string(),
        lost: feed.lost,
        more: feed.more,
        lease_seconds: if feed.lost || feed.more { 0 } else { LEASE_SECONDS },
    }))
}

/// The kinds of these names; nothing if one of them is none.
fn kinds(names: Option<&WipedList>) -> Option<Vec<EventKind>> {
    let names = names.map_or(&[][..], |names| &names[..]);
    names.iter().map(|name| name.as_str().and_then(EventKind::of_name)).collect()
}
