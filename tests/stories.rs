//! The stories, each request going straight into the pipeline.

#[path = "stories/mod.rs"]
mod stories;
mod support;

/// Requests go straight into the pipeline.
const OVER_THE_EDGE: bool = false;
