//! What is counted: each request that there is.

use crate::api::requests;
use crate::app::Metrics;

/// Nothing counted yet.
pub(in crate::server) fn open() -> Metrics {
    Metrics::new(requests().map(|request| request.name))
}
