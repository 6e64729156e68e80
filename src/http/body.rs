//! Reads the body of a request, from what was received with its head and then from the socket, never beyond its end.

use super::limits::HttpLimits;
use super::received::Received;
use super::room::{BodyPermit, next_size};
use super::supervisor::{Phase, Registration};
use std::io::Read;

/// Reads the body, or tells the status to refuse the request with.
pub(super) fn read(
    registration: &mut Registration,
    received: &mut Received,
    body_bytes: usize,
    share: &mut BodyPermit<'_>,
) -> Result<Vec<u8>, u16> {
    if body_bytes <= received.len().min(HttpLimits::SMALL_BODY_BYTES_MAX) {
        return Ok(received.take(body_bytes).to_vec());
    }
    registration.shift(Phase::Handling, Phase::Body);
    let result = receive(registration, received, body_bytes, share);
    if result == Err(503) {
        return result;
    }
    if !registration.shift(Phase::Body, Phase::Handling) {
        registration.shift(Phase::BodyLate, Phase::Handling);
        return Err(408);
    }
    result
}

/// Receives the body in steps, with room for each.
fn receive(
    registration: &mut Registration,
    received: &mut Received,
    body_bytes: usize,
    share: &mut BodyPermit<'_>,
) -> Result<Vec<u8>, u16> {
    let mut body = Vec::new();
    while body.len() < body_bytes {
        let bytes = next_size(body.len(), body_bytes);
        if !share.try_grow(bytes) {
            // It is our delay now, not the client's.
            let is_late = !registration.shift(Phase::Body, Phase::Handling);
            if is_late || !share.grow(bytes) {
                return Err(if is_late { 408 } else { 503 });
            }
            registration.shift(Phase::Handling, Phase::Body);
        }
        registration.takes_room(bytes > HttpLimits::SMALL_BODY_BYTES_MAX);
        body.reserve_exact(bytes - body.len());
        body.extend_from_slice(received.take(bytes - body.len()));
        let filled = body.len();
        body.resize(bytes, 0);
        // Where the client goes, and where the supervisor ends the waiting, there is an end too early.
        registration.stream().read_exact(&mut body[filled..]).map_err(|_| 400_u16)?;
    }
    Ok(body)
}
