//! The two ways into a server: straight into its pipeline; or over HTTP, where coroutines handle requests, as frontends
//! come.

use authnzerver::app::App;
use authnzerver::clock::SystemClock;
use authnzerver::http::{HttpLimits, Listener, Workers};
use authnzerver::pipeline;
use authnzerver::presence::Presence;
use authnzerver::server::listen::COROUTINE_STACK_BYTES;
use authnzerver::server::router::Router;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use ureq::Agent;
use ureq::http::HeaderMap;

/// An answer that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(120);
/// A story ends when all of its requests are answered, so there is nothing to wait for but idle connections.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(1);
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The body of an answer; or the HTTP status instead, and after how many seconds to try again.
pub type Answered = Result<Vec<u8>, (u16, Option<u64>)>;

/// A way into a server.
pub enum Door {
    /// The pipeline itself.
    Pipeline,
    /// A listening server, and a client that keeps its connections.
    Listener(Listener, Agent),
}

impl Door {
    /// Opens one of the two.
    pub fn open(app: &Arc<App>, over_http: bool) -> Self {
        if !over_http {
            return Self::Pipeline;
        }
        let workers = Workers { threads: app.config.workers, stack_bytes: COROUTINE_STACK_BYTES };
        let limits = HttpLimits {
            connections_max: app.config.connections_max,
            body_bytes_max: app.config.body_bytes_max,
            ..HttpLimits::default()
        };
        // The network lives in real time, whatever time it is in the story.
        let clock = Arc::new(SystemClock::new());
        let server = Arc::new(Router::new(Arc::clone(app)));
        let listener = Listener::start(("127.0.0.1", 0), workers, limits, clock, server, None);
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build();
        Self::Listener(listener.expect("a free port"), agent.into())
    }

    /// Sends a sealed request in.
    pub fn answer(&self, app: &App, sealed: &[u8]) -> Answered {
        match self {
            // Who asks on a coroutine must not wait for a socket there, and has already what HTTP would give it.
            Self::Listener(listener, agent) if !may::coroutine::is_coroutine() => {
                post(listener, agent, sealed)
            }
            _ => pipeline::answer(app, sealed, &Presence::always())
                .map_err(|rejected| (rejected.status, rejected.retry_after_seconds)),
        }
    }

    /// Stops what listens, and waits until it has let go of the application.
    pub fn close(self, app: &Arc<App>) {
        let Self::Listener(listener, agent) = self else { return };
        drop(agent);
        listener.stop(STOP_PATIENCE);
        let uses = || Arc::strong_count(app);
        for _ in 0..STOP_PATIENCE.as_millis() / STEP.as_millis() {
            if uses() == 1 {
                return;
            }
            thread::park_timeout(STEP);
        }
        // A story that has failed already should tell its own reason.
        assert!(thread::panicking(), "{} coroutines still serve", uses() - 1);
    }
}

fn post(listener: &Listener, agent: &Agent, sealed: &[u8]) -> Answered {
    let url = format!("http://localhost:{}/", listener.local_addr().port());
    let mut answer = agent.post(&url).send(sealed).expect("the server answers");
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
    let body = body.expect("the answer is whole");
    if answer.status() == 200 { Ok(body) } else { Err((answer.status().as_u16(), seconds(answer.headers()))) }
}

fn seconds(headers: &HeaderMap) -> Option<u64> {
    let seconds = headers.get("Retry-After")?;
    Some(seconds.to_str().expect("a text").parse().expect("a number of seconds"))
}
