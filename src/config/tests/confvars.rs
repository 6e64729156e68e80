//! What the file of `--confvars` changes, told as stories of operators who keep settings in odd places.

use super::*;
use crate::outbound::web::testing::TestIdentity;
use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

const KEY_IN_BASE64: &str = "QUFFQ0F3UUZCZ2NJQ1FvTERBME9EeEFSRWhNVUZSWVhHQmthR3h3ZEhoOD0=";

/// Answers one request, and keeps it.
struct Server {
    port: u16,
    thread: JoinHandle<String>,
}

impl Server {
    fn answers(status: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        Self::sends([head.as_bytes(), b"Connection: close\r\n\r\n", body].concat())
    }

    /// Sends these bytes, and then waits for the client to go.
    fn sends(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let request = read_request(&mut stream);
            // The client may have had enough before the end.
            let _ = stream.write_all(&bytes);
            let _ = stream.read(&mut [0]);
            request
        });
        Self { port, thread }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1/hidden-path?hidden=query", self.port)
    }

    /// The one request.
    fn was_asked(self) -> String {
        self.thread.join().expect("a server that did not fail")
    }
}

/// Reads a head, and as much more as it says.
fn read_request(stream: &mut impl io::Read) -> String {
    let (mut request, mut byte) = (Vec::new(), [0]);
    let mut length = None;
    while length.is_none_or(|length| request.len() < length) && stream.read(&mut byte).is_ok_and(|n| n > 0) {
        request.push(byte[0]);
        if length.is_none() && request.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request).to_lowercase();
            let body =
                head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
            length = Some(request.len() + body.unwrap_or(0));
        }
    }
    String::from_utf8(request).expect("ASCII")
}

/// What a start says of a file with just this, beside a sound environment.
fn complaint(operator: Operator, conf_vars: &str) -> String {
    operator.writes("c.json", conf_vars, 0o600).is_refused(&["--confvars=c.json"])
}

#[test]
fn names_and_defaults_of_single_settings_are_changed() {
    let text = r#"{
        "secret": {"env": "SEALING_KEY", "type": "str", "default": null, "help": "The key."},
        "port": {"env": ["FIRST_PORT", "AUTHNZERVER_SECOND_PORT"], "cmdline": "userlocktries", "default": 7},
        "tls_cert_file": {"readable_from_file": false, "postprocess_value": null, "default": ""},
        "piisalt": {"default": "none"}
    }"#;
    let operator = Operator::new()
        .sets("AUTHNZERVER_AUTHDB", "db")
        .sets("SEALING_KEY", KEY)
        .writes("c.json", text, 0o644);
    let port = |operator: &Operator, words: &[&str]| {
        let loaded = operator.starts(&[words, &["--confvars=c.json"]].concat());
        assert!(has_key(&loaded.config, KEY) && has_salt(&loaded.config, b"none"));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        loaded.config.port
    };
    assert_eq!(port(&operator, &[]), 7);
    assert_eq!(port(&operator, &["--userlocktries=8"]), 8);
    let operator = operator.sets("AUTHNZERVER_SECOND_PORT", "9");
    let conflicting = operator.starts(&["--userlocktries=8", "--confvars=c.json"]);
    assert_eq!(conflicting.config.port, 9);
    assert!(conflicting.warnings[0].as_str().contains("not --userlocktries"), "{:?}", conflicting.warnings);
    let operator = operator.sets("FIRST_PORT", " ");
    assert_eq!(port(&operator, &[]), 9);

    let operator = operator.sets("AUTHNZERVER_SECRET", KEY).sets("SEALING_KEY", "");
    assert!(
        operator.is_refused(&["--confvars=c.json"]).contains("secret: missing; set SEALING_KEY or --secret")
    );
}

#[test]
fn a_value_that_is_read_as_usual_is_shown_when_it_is_refused() {
    for (item, found) in
        [(r#"{"env": "COUNT"}"#, "COUNT in the environment"), ("{}", "AUTHNZERVER_WORKERS in")]
    {
        let operator = Operator::ready().sets("COUNT", "many").sets("AUTHNZERVER_WORKERS", "many");
        let text = complaint(operator, &format!(r#"{{"workers": {item}}}"#));
        assert!(text.starts_with(&format!("workers: `many` from {found}")), "{text}");
        assert!(!text.contains("c.json"), "{text}");
    }
}

#[test]
fn what_the_base_directory_provides_is_read_as_it_was_made() {
    let operator = Operator::new();
    let invocation = Invocation::parse(&["--basedir=run".into()]).expect("a good command line");
    make_what_is_missing(&invocation, &operator.environment, &SeededRng::new(1)).expect("made");
    let text = r#"{"secret": {"postprocess_value": "base64"}, "piisalt": {"readable_from_file": "json"}}"#;
    let operator = operator.writes("c.json", text, 0o600);
    let key = fs::read_to_string(operator.path("run/.authnzerver-secret-key")).expect("a key");
    let loaded = operator.starts(&["--basedir=run", "--confvars=c.json"]);
    assert!(has_key(&loaded.config, key.trim()));
}

#[test]
fn a_name_that_has_no_effect_any_more_draws_a_warning() {
    let text = r#"{"secret": {"env": "KEY"}, "port": {"cmdline": "workers"}}"#;
    let operator = Operator::ready().sets("KEY", KEY).writes("c.json", text, 0o600);
    let warnings = operator.starts(&["--confvars=c.json", "--port=3"]).warnings.join("\n");
    assert!(warnings.contains("AUTHNZERVER_SECRET: not used, "), "{warnings}");
    assert!(warnings.contains("--port: not used, ") && !warnings.contains(KEY), "{warnings}");
}

#[test]
fn a_value_is_read_from_a_place_in_a_json_file() {
    let text = r#"{
        "secret": {"readable_from_file": ["json", "keys._arr_1.value"], "postprocess_value": "base64"},
        "workers": {"readable_from_file": ["json", "workers"], "default": "[[basedir]]/app.json"},
        "emailserver": {"readable_from_file": "string", "default": "host"},
        "emailuser": {"readable_from_file": "json"},
        "piisalt": {"readable_from_file": false}
    }"#;
    let app = format!(r#"{{"workers": 3, "keys": [0, {{"value": "{KEY_IN_BASE64}"}}]}}"#);
    let operator = Operator::ready()
        .sets("AUTHNZERVER_SECRET", "app.json")
        .sets("AUTHNZERVER_PIISALT", "/a/path?")
        .writes("app.json", &app, 0o644)
        .writes("host", "mail.example.org\n", 0o644)
        .writes("credentials/emailuser", "\"somebody\"", 0o400)
        .writes("c.json", text, 0o644);
    let operator = {
        let credentials = operator.path("credentials").display().to_string();
        operator.sets("CREDENTIALS_DIRECTORY", &credentials)
    };
    let loaded = operator.starts(&["--confvars=c.json"]);
    let config = &loaded.config;
    assert!(has_key(config, KEY) && has_salt(config, b"/a/path?"));
    assert_eq!((config.workers, config.email_server.as_str()), (3, "mail.example.org"));
    assert_eq!(config.email_user, "somebody");
    // The key lies open, the number of workers may.
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].as_str().contains("app.json can be read by others"), "{:?}", loaded.warnings);

    let operator = operator.writes("app.json", r#"{"workers": "hidden", "keys": []}"#, 0o600);
    let text = operator.sets("AUTHNZERVER_EMAILSERVER", "./hidden").is_refused(&["--confvars=c.json"]);
    for part in [
        "app.json: there is no `keys._arr_1` in the JSON; ",
        "c.json, read as ",
        "is refused; it must be a whole number from 1 to 256",
        "emailserver: AUTHNZERVER_EMAILSERVER in the environment looks like the path of a file",
    ] {
        assert!(text.contains(part), "{part}\n--\n{text}");
    }
    assert!(!text.contains("hidden"), "{text}");
}

#[test]
fn everything_wrong_with_the_file_is_told_at_once_and_nothing_in_it_is_shown() {
    let text = r#"{
        "sekret": {}, "tlscertfile": {}, "tls_cert_file": {}, "port": "hidden",
        "secret": {"env": [], "cmdline": "hidden", "default": ["hidden"], "readable_from_fil": "hidden"},
        "workers": {"env": "A=hidden", "readable_from_file": true, "postprocess_value": "hidden"},
        "basedir": {"readable_from_file": "string"},
        "authdb": {"readable_from_file": ["http", {"method": "put hidden"}, "string"]},
        "piisalt": {"readable_from_file": ["http", {"headers": {"X-Y": ["hidden"]}}, "json"]},
        "listen": {"readable_from_file": ["http", {"timeout": 0}, "string"]},
        "emailuser": {"readable_from_file": ["http", {"body": "hidden"}, "string"]},
        "emailserver": {"readable_from_file": ["http", {"headers": {"a b": ""}}, "string"]},
        "emailport": {"readable_from_file": ["http", {}, "string", "path"]},
        "emailpass": {"readable_from_file": ["json", "a..b"]}
    }"#;
    let text = complaint(Operator::ready(), text);
    for part in [
        "c.json: `sekret` is not a setting; perhaps secret?",
        "c.json: tlscertfile stands there twice",
        "c.json: port: an object is needed",
        "c.json: secret: env: the name of a variable",
        "c.json: secret: default: a text, a number or null",
        "c.json: secret: `readable_from_fil` is not known here; perhaps readable_from_file?",
        "c.json: workers: env: ",
        "c.json: workers: readable_from_file: it must be false, \"string\"",
        "c.json: workers: postprocess_value: \"base64\" is all",
        "c.json: basedir: the base directory is not read from anywhere",
        "c.json: authdb: readable_from_file: the method must be",
        "c.json: piisalt: readable_from_file: headers: `X-Y` must be a text",
        "c.json: listen: readable_from_file: the timeout must be",
        "c.json: emailuser: readable_from_file: `body` is not known",
        "c.json: emailserver: readable_from_file: `a b` is not the name of a header",
        "c.json: emailport: readable_from_file: it must be",
        "c.json: emailpass: readable_from_file: it must be",
    ] {
        assert!(text.contains(part), "{part}\n--\n{text}");
    }
    assert_eq!(text.matches("hidden").count(), 1, "the name of an option that is none: {text}");
    for (file, part) in
        [("{", "this is not JSON: line 1"), ("[]", "an object is needed"), ("{}}", "not JSON")]
    {
        let text = complaint(Operator::ready(), file);
        assert!(text.contains(part), "{text}");
    }
    assert!(Operator::ready().is_refused(&["--confvars=none.json"]).contains("none.json cannot be read"));
}

#[test]
fn a_secret_is_fetched_by_post_and_decoded() {
    let body = format!(r#"{{"data": {{"keys": ["x", "{KEY_IN_BASE64}"]}}}}"#);
    let server = Server::answers("200 OK", body.as_bytes());
    let text = format!(
        r#"{{"secret": {{
            "env": "KEY_URL",
            "default": "{}",
            "readable_from_file": ["http", {{
                "method": "post",
                "headers": {{"X-Vault-Token": "t:[[AUTHNZERVER_TOKEN]][[ABSENT]]", "Accept": "application/json"}},
                "data": {{"who": "me & [[AUTHNZERVER_NAME]]", "list": "[[1],[2]]", "n": 5}},
                "timeout": 20
            }}, "json", "data.keys._arr_1"],
            "postprocess_value": "base64.b64decode"
        }}}}"#,
        server.url()
    );
    let operator = Operator::ready()
        .sets("AUTHNZERVER_SECRET", "")
        .sets("AUTHNZERVER_TOKEN", "hidden")
        .sets("AUTHNZERVER_NAME", "I")
        .writes("c.json", &text, 0o600);
    let loaded = operator.starts(&["--confvars=c.json"]);
    assert!(has_key(&loaded.config, KEY));
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(
        loaded.warnings[0].as_str().contains(" without what belongs into it ([[ABSENT]] is not set)"),
        "{:?}",
        loaded.warnings
    );
    let request = server.was_asked();
    assert!(request.starts_with("POST /v1/hidden-path?hidden=query HTTP/1.1\r\n"), "{request}");
    let lower = request.to_lowercase();
    assert!(lower.contains("\r\nx-vault-token: t:hidden\r\n"), "{request}");
    assert!(lower.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nlist=%5B%5B1%5D%2C%5B2%5D%5D&n=5&who=me+%26+I"), "{request}");
}

#[test]
fn a_number_is_fetched_by_get_with_the_data_in_the_query() {
    let server = Server::answers("200 OK", b"12\r\n\n");
    let text = r#"{"workers": {"readable_from_file":
        ["http", {"method": "GET", "headers": null, "data": {"q": "a b"}}, "string"]}}"#;
    let operator = Operator::ready().sets("AUTHNZERVER_WORKERS", &server.url()).writes("c.json", text, 0o644);
    let loaded = operator.starts(&["--confvars=c.json"]);
    assert_eq!(loaded.config.workers, 12);
    let request = server.was_asked();
    assert!(request.starts_with("GET /v1/hidden-path?hidden=query&q=a%20b HTTP/1.1\r\n"), "{request}");
    // Where it is no URL, the value is taken as usual.
    let operator = operator.sets("AUTHNZERVER_WORKERS", "5");
    assert_eq!(operator.starts(&["--confvars=c.json"]).config.workers, 5);
}

/// What a start says of a secret that is fetched from such a server.
fn refusal(server: &Server, form: &str, base64: bool) -> String {
    let filter = if base64 { "\"base64\"" } else { "null" };
    let text = format!(
        r#"{{"secret": {{"readable_from_file": ["http", {{
            "headers": {{"Authorization": "Bearer hidden"}}, "data": {{"a": "hidden"}}, "timeout": 0.4
        }}, {form}], "postprocess_value": {filter}}}}}"#
    );
    let url = server.url().replace("http://", "http://hidden-user:hidden-password@");
    let text = complaint(Operator::ready().sets("AUTHNZERVER_SECRET", &url), &text);
    assert!(!text.contains("hidden"), "{text}");
    assert!(text.starts_with("secret: ") && text.contains("AUTHNZERVER_SECRET in the environment"), "{text}");
    assert!(text.contains("c.json") && text.lines().count() == 1, "{text}");
    text
}

#[test]
fn whatever_goes_wrong_on_the_way_is_one_clear_line() {
    let string = "\"string\"";
    let path = r#""json", "a.b""#;
    for (status, body, form, base64, problem) in [
        ("403 Forbidden", "hidden", string, false, "it answered 403"),
        (
            "302 Found\r\nLocation: http://127.0.0.1:1/hidden",
            "",
            string,
            false,
            "it answered 302, which leads",
        ),
        ("200 OK", r#"{"a": "hidden"}"#, path, false, "there is no `a.b` in the JSON"),
        ("200 OK", r#"{"a": {"b": {"hidden": 1}}}"#, path, false, "`a.b` is neither a text nor a number"),
        ("200 OK", "<hidden>", path, false, "what came is not JSON: line 1"),
        ("200 OK", "\n", string, false, "the value is empty"),
        ("200 OK", "hidden!", string, true, "gives a value that is not base64"),
        ("200 OK", "hidden!", string, false, ", is refused; it must be 32 bytes"),
    ] {
        let server = Server::answers(status, body.as_bytes());
        let text = refusal(&server, form, base64);
        assert!(text.contains(problem), "{problem}: {text}");
        let request = server.was_asked();
        assert!(request.to_lowercase().contains("authorization: bearer hidden"), "{request}");
    }
    let server = Server::answers("200 OK", &[b'h', 0xff]);
    assert!(refusal(&server, string, false).contains("what came is not UTF-8 text"));
    let server = Server::answers("200 OK", &vec![b'x'; 1024 * 1024 + 1]);
    assert!(refusal(&server, string, false).contains("the answer is longer than 1048576 bytes"));
    let server = Server::sends(b"hidden\r\n\r\n".to_vec());
    assert!(refusal(&server, string, false).contains("the answer is not HTTP"));
}

#[test]
fn a_server_that_stalls_or_is_gone_is_given_up() {
    for sent in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhid"] {
        let server = Server::sends(sent.to_vec());
        let text = refusal(&server, "\"string\"", false);
        assert!(
            text.contains(&format!("127.0.0.1:{}: no whole answer came within 0.4 s", server.port)),
            "{text}"
        );
        server.was_asked();
    }
    let port = TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr()).expect("a port").port();
    let gone = Server { port, thread: std::thread::spawn(String::new) };
    assert!(refusal(&gone, "\"string\"", false).contains("it cannot be reached, or"));
}

#[test]
fn a_variable_that_is_not_set_is_told_with_the_refusal() {
    let server = Server::answers("401 Unauthorized", b"");
    let text =
        r#"{"secret": {"readable_from_file": ["http", {"headers": {"X-Token": "[[TOKEN]]"}}, "string"]}}"#;
    let text = complaint(Operator::ready().sets("AUTHNZERVER_SECRET", &server.url()), text);
    assert!(text.contains("it answered 401 ([[TOKEN]] is not set)"), "{text}");
    assert!(server.was_asked().contains("\r\nx-token: \r\n"));
}

#[test]
fn a_header_that_would_end_the_line_is_not_sent() {
    let text = r#"{"secret": {"default": "http://127.0.0.1:1/", "readable_from_file":
        ["http", {"headers": {"X-Token": "[[TOKEN]]"}}, "string"]}}"#;
    let operator = Operator::ready().sets("AUTHNZERVER_SECRET", "").sets("TOKEN", "hidden\r\nX: y");
    let text = complaint(operator, text);
    assert!(
        text.contains("secret: the default in ") && text.contains("the header x-token cannot be sent"),
        "{text}"
    );
    assert!(!text.contains("hidden"), "{text}");
    assert_eq!(text.matches("c.json").count(), 1, "it is clear already who says how it is read: {text}");
}

#[test]
fn a_file_that_spells_out_a_header_is_better_closed() {
    let with_value = |value: &str, mode| {
        let text = format!(
            r#"{{"workers": {{"readable_from_file": ["http", {{"headers": {{"X-Token": "{value}", "Accept": "*/*"}}}}, "string"]}}}}"#
        );
        Operator::ready().writes("c.json", &text, mode).starts(&["--confvars=c.json"]).warnings.join("\n")
    };
    let warning = with_value("hidden", 0o644);
    assert!(warning.contains("c.json spells out what is sent") && !warning.contains("hidden"), "{warning}");
    assert_eq!(with_value("Bearer [[TOKEN]]", 0o644), "");
    assert_eq!(with_value("hidden", 0o600), "");
    let text = r#"{"port": {"default": "http://me:hidden@127.0.0.1/"}}"#;
    let operator = Operator::ready().sets("AUTHNZERVER_PORT", "1").writes("c.json", text, 0o644);
    let warning = operator.starts(&["--confvars=c.json"]).warnings.join("\n");
    assert!(warning.contains("c.json spells out what is sent") && !warning.contains("hidden"), "{warning}");
    let text = format!(r#"{{"secret": {{"default": "{KEY}"}}}}"#);
    let operator = Operator::ready().sets("AUTHNZERVER_SECRET", "").writes("c.json", &text, 0o644);
    let warning = operator.starts(&["--confvars=c.json"]).warnings.join("\n");
    assert!(warning.contains("c.json holds a secret and can be read by others"), "{warning}");
}

#[test]
fn the_operators_own_roots_are_trusted_and_strangers_are_not() {
    let identity = TestIdentity::new();
    let handshake = identity.host();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://localhost:{}/", listener.local_addr().expect("an address").port());
    // The stranger is met once, the trusted one once.
    let thread = std::thread::spawn(move || {
        for _ in 0..2 {
            let (socket, _) = listener.accept().expect("a client");
            if let Some(mut stream) = handshake(socket) {
                read_request(&mut stream);
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7").expect("sent");
                let _ = stream.read(&mut [0]);
            }
        }
    });
    let text = r#"{"workers": {"readable_from_file": ["http", {}, "string"]}}"#;
    let operator = Operator::ready().sets("AUTHNZERVER_WORKERS", &url).writes("c.json", text, 0o644);
    assert!(operator.is_refused(&["--confvars=c.json"]).contains("there is no trusted TLS connection to it"));
    let operator = operator.sets("SSL_CERT_FILE", identity.roots().to_str().expect("UTF-8"));
    assert_eq!(operator.starts(&["--confvars=c.json"]).config.workers, 7);
    thread.join().expect("a server that did not fail");
}

#[test]
fn a_client_of_the_server_gets_the_key_the_same_way() {
    let server = Server::answers("200 OK", KEY.as_bytes());
    let text = r#"{"secret": {"readable_from_file": ["http", {}, "string"]}}"#;
    let operator = Operator::new().sets("AUTHNZERVER_SECRET", &server.url()).writes("c.json", text, 0o644);
    operator.client(&["--confvars=c.json"], None).expect("enough");
    server.was_asked();
}
