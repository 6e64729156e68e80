//! Where requests go: which hosts, paths and methods are known, and who may use what is there for debugging.

use authnzerver::clock::Clock;
use authnzerver::http::{Allow, Handler, HttpRequest, Response};
use authnzerver::presence::Presence;
use authnzerver::server::router::Router;
use std::net::IpAddr;
use std::sync::Arc;
use support::TestServer;

struct Site {
    server: TestServer,
    router: Router,
}

impl Site {
    fn with(settings: &[(&str, &str)]) -> Self {
        let server = TestServer::start_with(settings);
        let router = Router::new(Arc::clone(&server.app));
        Self { server, router }
    }

    fn asked_by(&self, peer: &str, method: &str, host: &str, path: &str, body: &[u8]) -> Response {
        let peer: IpAddr = peer.parse().expect("an address");
        let presence = Presence::always();
        self.router.handle(&HttpRequest { peer, method, path, host, body, presence })
    }

    fn status(&self, method: &str, host: &str, path: &str) -> u16 {
        self.asked_by("127.0.0.1", method, host, path, b"").status
    }

    fn sealed(&self, message: &str) -> Vec<u8> {
        self.server.app.config.secret.first().seal(message.as_bytes(), self.server.clock.now())
    }
}

#[test]
fn health_is_told_to_whoever_names_no_host() {
    for hosts in ["localhost;127.0.0.1", "auth.example.org"] {
        let site = Site::with(&[("ALLOWEDHOSTS", hosts)]);
        for method in ["GET", "HEAD"] {
            let reply = site.asked_by("192.0.2.9", method, "", "/health", b"");
            assert_eq!(reply.status, 200, "{method}");
            let text = String::from_utf8(reply.body).expect("a text");
            assert!(text.contains(r#""Health-Ok": true"#), "{text}");
            assert_eq!(site.status(method, "evil.example", "/health"), 404);
        }
        assert_eq!(site.status("POST", "", "/health"), 405);
        assert_eq!(site.asked_by("127.0.0.1", "POST", "", "/health", b"").allow, Some(Allow::Get));
    }
}

#[test]
fn who_names_no_host_means_this_machine() {
    let site = Site::with(&[]);
    assert_eq!(site.status("POST", "", "/"), 401);
    assert_eq!(site.status("HEAD", "", "/"), 405);
    let elsewhere = Site::with(&[("ALLOWEDHOSTS", "auth.example.org")]);
    assert_eq!(elsewhere.status("POST", "", "/"), 404);
    assert_eq!(elsewhere.status("POST", "Auth.Example.Org:99", "/"), 401);
}

#[test]
fn the_echo_answers_this_machine_alone_and_only_while_debugging() {
    let site = Site::with(&[("DEBUGMODE", "1")]);
    let message = site.sealed(r#"{"request": "echo", "reqid": 1, "body": {}}"#);
    let echoed = |peer| site.asked_by(peer, "POST", "localhost", "/echo", &message);
    for peer in ["127.0.0.1", "127.9.9.9", "::1"] {
        let reply = echoed(peer);
        assert_eq!(reply.status, 200, "{peer}");
        let opened = site.server.app.config.secret.open(&reply.body).expect("it is sealed");
        assert!(String::from_utf8_lossy(opened.plaintext.expose()).contains("dbtest"));
    }
    for peer in ["192.0.2.9", "10.0.0.1", "0.0.0.0", "128.0.0.1", "2001:db8::1", "::2", "fe80::1", "::"] {
        let reply = echoed(peer);
        assert_eq!(reply.status, 400, "{peer}");
        assert!(reply.body.starts_with(b"HTTP 400: "), "{peer} learns nothing");
    }
    let quiet = Site::with(&[]);
    assert_eq!(quiet.asked_by("127.0.0.1", "POST", "localhost", "/echo", &message).status, 404);
}
