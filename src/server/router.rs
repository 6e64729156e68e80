//! Routes HTTP requests to the API, the health check and, for debugging, the echo. Requests for hosts that are not
//! allowed find nothing here.

use super::health::HealthCheck;
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::guard::ratelimit::Admission;
use crate::http::{Allow, ContentType, Handler, HttpRequest, Response, error_response};
use crate::json::{self, Limits, WipedObject};
use crate::log;
use crate::pipeline::{self, HttpRejection};
use crate::store::roles;
use crate::wire::ascii_json;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// The name under which health checks are counted.
pub const HEALTH_REQUEST: &str = "apikey-healthcheck";

/// Something that answers at a path.
struct Route {
    path: &'static str,
    method: Allow,
    /// Whether it exists only in debug mode.
    debugging_only: bool,
    /// Whether a request that names no host may come in, whatever the allowed hosts.
    takes_nameless_hosts: bool,
    answer: fn(&Router, &HttpRequest<'_>) -> Response,
}

/// All paths.
const ROUTES: &[Route] = &[
    Route {
        path: "/",
        method: Allow::Post,
        debugging_only: false,
        takes_nameless_hosts: false,
        answer: Router::api,
    },
    // Load balancers ask in HTTP/1.0, without a host. No browser does that, whoever sent it here.
    Route {
        path: "/health",
        method: Allow::Get,
        debugging_only: false,
        takes_nameless_hosts: true,
        answer: Router::health,
    },
    Route {
        path: "/echo",
        method: Allow::Post,
        debugging_only: true,
        takes_nameless_hosts: false,
        answer: Router::echo,
    },
];

/// A request that names no host, as HTTP/1.0 allows, counts as made to this one.
const HOST_OF_THE_NAMELESS: &str = "127.0.0.1";

/// Answers what comes in at the listener.
pub struct Router {
    app: Arc<App>,
    health: HealthCheck,
}

impl Router {
    /// A router in front of this application.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app, health: HealthCheck::default() }
    }

    fn api(&self, request: &HttpRequest<'_>) -> Response {
        match pipeline::answer(&self.app, request.body, &request.presence) {
            Ok(sealed) => Response::text(200, sealed),
            Err(rejected) => {
                // What the server could not do has a line already.
                if rejected.status < 500 {
                    self.log_refusal(rejected.kind, request.peer, rejected.client.as_ref());
                }
                rejection(&rejected)
            }
        }
    }

    /// One line a second for each cause: whoever sends the requests decides how many they are.
    fn log_refusal(&self, cause: &'static str, peer: IpAddr, client: Option<&ClientAddress>) {
        let Some(count) = self.app.refused.count(cause, self.app.clock.monotonic()) else { return };
        let salt = &self.app.config.pii_salt;
        let mut fields = vec![
            ("cause", cause.into()),
            ("count", count.into()),
            ("peer", salt.redact(ClientAddress::from(peer)).into()),
        ];
        fields.extend(client.map(|client| ("client", salt.redact(client).into())));
        log::warning("refused", &fields);
    }

    fn health(&self, request: &HttpRequest<'_>) -> Response {
        let peer = ClientAddress::from(request.peer);
        let admission = self.app.limiter.admit(HEALTH_REQUEST, None, &peer, None, self.app.clock.monotonic());
        if let Admission::Limited { retry_after_seconds } = admission {
            return rejection(&HttpRejection::over_limit(retry_after_seconds));
        }
        let health = self.health.check(&self.app);
        Response {
            content_type: ContentType::Json,
            no_store: true,
            ..Response::text(if health.ok { 200 } else { 500 }, health.json)
        }
    }

    /// Opens a message, adds the roles and seals it again, for this machine only.
    fn echo(&self, request: &HttpRequest<'_>) -> Response {
        if !request.peer.is_loopback() {
            return error_response(400);
        }
        let Some(opened) = self.app.keys.load().open(request.body) else { return error_response(401) };
        let text = std::str::from_utf8(opened.plaintext.expose()).unwrap_or_default();
        let Ok(message) = json::read_object(text, &Limits::REQUEST) else { return error_response(400) };
        let mut message = WipedObject::from(message);
        let Ok(roles) = self.app.store.read(roles::list) else { return error_response(503) };
        if message.get("request") != Some(&Value::from("echo")) {
            return error_response(400);
        }
        let roles = roles.iter().map(|role| json!({ "name": role.name, "desc": role.description }));
        message.insert("dbtest".to_owned(), roles.collect());
        Response::text(200, opened.key.seal(ascii_json(&*message).as_bytes(), self.app.clock.now()))
    }

    fn allows_host(&self, host: &str) -> bool {
        let name = match host_name(host) {
            "" => HOST_OF_THE_NAMELESS,
            name => &name.to_ascii_lowercase(),
        };
        self.app.config.allowed_hosts.iter().any(|allowed| allowed == name)
    }

    /// Where a request goes, or why nowhere.
    fn find(&self, request: &HttpRequest<'_>) -> Result<&'static Route, &'static str> {
        let debugging = self.app.config.debug_mode;
        let route = ROUTES.iter().find(|route| route.path == request.path);
        let route = route.filter(|route| debugging || !route.debugging_only);
        let is_nameless = host_name(request.host).is_empty();
        let is_let_in = route.is_some_and(|route| route.takes_nameless_hosts && is_nameless);
        if !is_let_in && !self.allows_host(request.host) {
            return Err("host not allowed");
        }
        route.ok_or("nothing at this path")
    }
}

impl Handler for Router {
    fn handle(&self, request: &HttpRequest<'_>) -> Response {
        let route = match self.find(request) {
            Ok(route) => route,
            Err(cause) => {
                self.log_refusal(cause, request.peer, None);
                return error_response(404);
            }
        };
        let method = match route.method {
            Allow::Get => "GET",
            Allow::Post => "POST",
        };
        if request.method == method || (request.method == "HEAD" && route.method == Allow::Get) {
            (route.answer)(self, request)
        } else {
            self.log_refusal("another method than the path's", request.peer, None);
            Response { allow: Some(route.method), ..error_response(405) }
        }
    }

    fn refused(&self, why: &'static str, peer: IpAddr) {
        self.log_refusal(why, peer, None);
    }
}

fn rejection(rejected: &HttpRejection) -> Response {
    let seconds = rejected.retry_after_seconds.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
    Response { retry_after_seconds: seconds, ..error_response(rejected.status) }
}

/// The host of a `Host` header, without the port. An IPv6 address keeps its brackets.
fn host_name(host: &str) -> &str {
    match host.bytes().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(at) if host.as_bytes()[at] == b':' => &host[..at],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::host_name;

    #[test]
    fn the_port_is_no_part_of_a_host() {
        let hosts = [
            ("localhost:13431", "localhost"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("a", "a"),
            ("", ""),
        ];
        for (header, name) in hosts {
            assert_eq!(host_name(header), name);
        }
    }
}
