//! A server that speaks TLS, as Python (which speaks it with OpenSSL) and its own `call` command meet it.

use serde_json::json;
use std::path::Path;
use std::process::Output;
use support::machine::{Machine, Running};
use support::parser::value_of;
use support::python::python;
use support::test_ca::{Authority, Identity};

/// Asks for a session over TLS, as a frontend in Python does, and looks it up.
const PYTHON: &str = r#"
import base64, json, ssl, sys, urllib.request
from cryptography.fernet import Fernet

url, key_file, root_file = sys.argv[1:]
box = Fernet(open(key_file).read())
trust = ssl.create_default_context(cafile=root_file)

def ask(request, body):
    message = {"request": request, "body": body, "reqid": 7, "client_ipaddr": "192.0.2.7"}
    sealed = base64.b64encode(box.encrypt(json.dumps(message).encode()))
    answer = urllib.request.urlopen(url, data=sealed, timeout=60, context=trust).read()
    return json.loads(box.decrypt(base64.b64decode(answer)))

visitor = {"ip_address": "192.0.2.7", "user_agent": "x", "user_id": None, "expires": 1, "extra_info_json": None}
token = ask("session-new", visitor)["response"]["session_token"]
print(ask("session-exists", {"session_token": token})["success"])
"#;

/// Sends a request over TLS of one version, offering one protocol, and prints what comes back. Fails where the
/// handshake does.
const TLS_CLIENT: &str = r#"
import socket, ssl, sys

port, root_file, version, protocol, request = sys.argv[1:]
context = ssl.create_default_context(cafile=root_file)
context.set_ciphers("ALL:@SECLEVEL=0")
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
context.set_alpn_protocols([protocol])
with socket.create_connection(("localhost", int(port)), timeout=60) as plain:
    with context.wrap_socket(plain, server_hostname="localhost") as secured:
        secured.sendall(request.encode())
        while received := secured.recv(65536):
            sys.stdout.buffer.write(received)
"#;

/// Asks for another handshake in the middle of a connection, which only OpenSSL's own interface lets a client do, and
/// prints whether the server refused that in words of TLS.
const RENEGOTIATION: &str = r#"
import ctypes, ctypes.util, socket, sys

try:
    ssl = ctypes.CDLL(ctypes.util.find_library("ssl") or "libssl.so.3")
    crypto = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
except OSError:
    print("no OpenSSL")
    sys.exit()
for function in (ssl.TLS_client_method, ssl.SSL_CTX_new, ssl.SSL_new):
    function.restype = ctypes.c_void_p
crypto.ERR_get_error.restype = ctypes.c_ulong
crypto.ERR_reason_error_string.restype = ctypes.c_char_p
crypto.ERR_reason_error_string.argtypes = [ctypes.c_ulong]
plain = socket.create_connection(("localhost", int(sys.argv[1])))
# The system's own time limit: a server that says nothing is noticed.
plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, b"\x14" + bytes(15))
context = ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method())))
TLS_1_2, SET_MAX_PROTO_VERSION = 0x0303, 124
ssl.SSL_CTX_ctrl(context, SET_MAX_PROTO_VERSION, ctypes.c_long(TLS_1_2), None)
connection = ctypes.c_void_p(ssl.SSL_new(context))
ssl.SSL_set_fd(connection, plain.fileno())
assert ssl.SSL_connect(connection) == 1
request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
assert ssl.SSL_write(connection, request, len(request)) == len(request)
buffer = ctypes.create_string_buffer(4096)
assert ssl.SSL_read(connection, buffer, 4096) > 0 and buffer.value.startswith(b"HTTP/1.1 200 ")
ssl.SSL_renegotiate(connection)
while ssl.SSL_do_handshake(connection) == 1:
    if ssl.SSL_read(connection, buffer, 4096) <= 0:
        break
print((crypto.ERR_reason_error_string(crypto.ERR_get_error()) or b"silence").decode())
"#;

/// A server with a certificate for `localhost`.
struct Site {
    // It is dropped first, while its files are still there.
    server: Running,
    machine: Machine,
    authority: Authority,
    identity: Identity,
}

impl Site {
    fn start() -> Self {
        let (machine, authority) = (Machine::new(), Authority::new());
        let identity = authority.certifies("localhost");
        let server = machine.starts(&tls_settings(&identity));
        Self { server, machine, authority, identity }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/", self.server.port)
    }

    /// Runs the program in Python.
    fn python(&self) -> Output {
        let key = self.machine.path(".authnzerver-secret-key");
        let mut command = python();
        command.args(["-c", PYTHON, &self.url()]).arg(key).arg(self.authority.root());
        command.output().expect("Python starts")
    }

    /// Sends a request over this version of TLS, offering this protocol and trusting only `root`; what came back, if
    /// the handshake succeeded.
    fn over_tls(&self, root: &Path, version: &str, protocol: &str, request: &str) -> Option<String> {
        let mut command = python();
        command.args(["-c", TLS_CLIENT, &self.server.port.to_string()]).arg(root);
        let output = command.args([version, protocol, request]).output().expect("Python starts");
        let (text, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() || errors.contains("ssl.SSL"), "{errors}");
        (output.status.success() && !text.is_empty()).then_some(text.into_owned())
    }

    /// Whether a client that trusts only `root` gets an answer.
    fn is_trusted_below(&self, root: &Path) -> bool {
        let answer = self.over_tls(root, "TLSv1_3", "http/1.1", HEALTH);
        answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    }

    /// Runs `authnzerver call` with the settings that the server has.
    fn call(&self, words: &[&str]) -> Output {
        let port = self.server.port.to_string();
        let [certificate, key] = tls_settings(&self.identity);
        let mut command = self.machine.command(&[("PORT", port.as_str()), certificate, key]);
        command.arg("call").args(words).output().expect("the program starts")
    }
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn tls_settings(identity: &Identity) -> [(&'static str, &str); 2] {
    [("TLSCERTFILE", &identity.certificate), ("TLSCERTKEY", &identity.key)]
        .map(|(name, path)| (name, path.to_str().expect("UTF-8")))
}

#[test]
fn python_is_served_over_tls_and_nobody_in_plaintext() {
    let site = Site::start();
    assert!(site.server.log().contains("tls=on"), "{}", site.server.log());
    let output = site.python();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "True\n", "{errors}");

    let root = site.authority.root();
    for version in ["TLSv1_2", "TLSv1_3"] {
        let answer = site.over_tls(&root, version, "http/1.1", HEALTH);
        assert!(answer.is_some_and(|answer| answer.contains("\"Health-Ok\"")), "{version}");
    }
    for (version, protocol) in [("TLSv1_1", "http/1.1"), ("TLSv1_3", "h2")] {
        assert_eq!(site.over_tls(&root, version, protocol, HEALTH), None, "{version}, {protocol}");
    }
    let stranger = HEALTH.replace("localhost", "evil.example");
    let answer = site.over_tls(&root, "TLSv1_3", "http/1.1", &stranger).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let in_plaintext = site.server.http("GET", "/health", "localhost", b"");
    assert_eq!(in_plaintext.status, 400);
    assert!(String::from_utf8_lossy(&in_plaintext.body).contains("https://"), "it says what to do");
    site.server.waits_for("refused cause=\"plain HTTP where TLS is spoken\"");
    site.server.stops();
}

#[test]
fn a_renewed_certificate_is_read_at_a_hang_up_and_a_bad_one_is_not_taken() {
    let site = Site::start();
    let (old, new) = (&site.authority, Authority::new());
    assert!(site.is_trusted_below(&old.root()) && !site.is_trusted_below(&new.root()));

    std::fs::write(&site.identity.certificate, "-----BEGIN CERTIFICATE-----\nhalf of it").expect("writes");
    site.server.hangs_up("kept the old certificate");
    assert!(site.is_trusted_below(&old.root()));

    new.certifies_into("localhost", &site.identity.certificate, &site.identity.key);
    site.server.hangs_up("read the certificate again");
    assert!(site.is_trusted_below(&new.root()) && !site.is_trusted_below(&old.root()));
}

#[test]
fn the_call_command_follows_the_settings_and_trusts_whom_it_should() {
    let site = Site::start();
    let token = r#"{"session_token": "made up"}"#;
    let answered =
        |output: &Output| value_of(&output.stdout).is_ok_and(|answer| answer["success"] == json!(false));
    let own = site.call(&["session-exists", token]);
    assert!(answered(&own), "{}", String::from_utf8_lossy(&own.stderr));

    let url = format!("--url={}", site.url());
    let stranger = site.call(&["session-exists", token, &url]);
    let errors = String::from_utf8_lossy(&stranger.stderr);
    assert!(stranger.status.code() == Some(2) && errors.contains("no trusted TLS connection"), "{errors}");

    let mut command = site.machine.command(&[]);
    command.args(["call", "session-exists", token, &url]).env("SSL_CERT_FILE", site.authority.root());
    let trusted = command.output().expect("the program starts");
    assert!(answered(&trusted), "{}", String::from_utf8_lossy(&trusted.stderr));
}

#[test]
fn tls_that_cannot_be_spoken_stops_the_start() {
    let (machine, authority) = (Machine::new(), Authority::new());
    let (one, other) = (authority.certifies("localhost"), authority.certifies("elsewhere"));
    let [certificate, key] = tls_settings(&one);
    let [_, other_key] = tls_settings(&other);
    let empty = machine.path("empty.pem").display().to_string();
    std::fs::write(&empty, "").expect("writes");
    for (settings, said) in [
        (&[certificate][..], "TLS needs both"),
        (&[key], "TLS needs both"),
        (&[certificate, other_key], "tlscertkey: /"),
        (&[certificate, other_key], "is not the key of the certificate"),
        (&[certificate, ("TLSCERTKEY", &empty)], "empty.pem: it holds no private key"),
        (&[("TLSCERTFILE", &empty), key], "empty.pem: it holds no certificate"),
        (&[("TLSCERTFILE", "/nowhere"), key], "tlscertfile"),
    ] {
        let (status, log) = machine.fails(settings);
        assert!(status == 1 && log.contains(said), "{log}");
    }
    assert!(!machine.path(".authdb.sqlite").exists(), "nothing was made before that");
}

#[test]
fn a_second_handshake_is_refused_aloud() {
    let site = Site::start();
    let mut command = python();
    command.args(["-c", RENEGOTIATION, &site.server.port.to_string()]);
    let output = command.output().expect("Python starts");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(["no renegotiation", "no OpenSSL"].contains(&text.trim()), "{text}{errors}");
    assert!(site.is_trusted_below(&site.authority.root()), "others are served");
}
