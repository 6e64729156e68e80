//! Requests and responses of a site, whatever it is built with.

use std::io::Read;
use std::net::IpAddr;

/// A form may be so long.
const FORM_BYTES_MAX: usize = 1 << 20;
const FIELDS_MAX: usize = 200;

/// What a browser asks.
#[derive(Clone)]
pub struct WebRequest {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) peer: IpAddr,
    /// With names in lower case.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl std::fmt::Debug for WebRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The others are cookies, keys, passwords and codes.
        write!(formatter, "{} {} from {}", self.method, self.path(), self.peer)
    }
}

impl WebRequest {
    /// A request with this method for a path with its query, as it came, from the address at the other end of the
    /// connection.
    pub fn new(method: &str, target: &str, peer: IpAddr) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            peer,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header. All of them are needed.
    pub fn add_header(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        match self.headers.iter_mut().find(|(known, _)| *known == name) {
            Some((name, known)) => {
                known.push_str(if name == "cookie" { "; " } else { ", " });
                known.push_str(value);
            }
            None => self.headers.push((name, value.to_owned())),
        }
    }

    /// Reads the body if it is a form, up to a bound: one that is longer is refused by [`super::Accounts::answer`]. Any
    /// other body is the program's.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read_form(&mut self, body: impl Read) -> std::io::Result<()> {
        if self.has_form() {
            self.body.clear();
            body.take(FORM_BYTES_MAX as u64 + 1).read_to_end(&mut self.body)?;
        }
        Ok(())
    }

    fn has_form(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path without its query, as it came.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether it asks for a path at all, which programs behind us cannot read in another way than a guard.
    pub(super) fn has_path(&self) -> bool {
        let is_plain = |byte: u8| byte > b' ' && byte != b'#' && byte != 0x7f;
        self.target.starts_with('/') && self.target.bytes().all(is_plain)
    }

    pub(super) fn query(&self) -> Fields {
        Fields::parse(self.target.split_once('?').map_or("", |(_, query)| query).as_bytes())
    }

    /// The fields of a form; `None` if it is too long.
    pub(super) fn form(&self) -> Option<Fields> {
        if !self.has_form() {
            return Some(Fields::default());
        }
        if self.body.len() > FORM_BYTES_MAX { None } else { Some(Fields::parse(&self.body)) }
    }
}

/// What a site answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebResponse {
    /// The status.
    pub status: u16,
    /// Names and values. `Set-Cookie` may be there more than once.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What the pages of accounts are sent with, for pages of the site's own: such a page shows nothing of others, is shown in
/// nothing, and is kept nowhere; what stands in its address stays here. (With `no-referrer`, browsers would send the forms
/// of a page without its origin.)
pub const SECURITY_HEADERS: &[(&str, &str)] = &[
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
];

impl WebResponse {
    /// A page, with [`SECURITY_HEADERS`].
    pub fn html(status: u16, page: impl Into<String>) -> Self {
        let mut response = Self { status, headers: Vec::new(), body: page.into().into_bytes() };
        response.add_header("Content-Type", "text/html; charset=utf-8");
        for (name, value) in SECURITY_HEADERS {
            response.add_header(name, value);
        }
        response
    }

    /// A plain text.
    pub fn text(status: u16, text: &str) -> Self {
        let mut response = Self { status, headers: Vec::new(), body: text.as_bytes().to_vec() };
        response.add_header("Content-Type", "text/plain; charset=utf-8");
        response.add_header("X-Content-Type-Options", "nosniff");
        response
    }

    /// Leads on to another page.
    pub fn to(path: &str) -> Self {
        let mut response = Self { status: 303, headers: Vec::new(), body: Vec::new() };
        response.add_header("Location", path);
        response.add_header("Cache-Control", "no-store");
        response
    }

    /// Adds a header.
    pub fn add_header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}

/// The fields of a query or a form.
#[derive(Clone, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(encoded: &[u8]) -> Self {
        let pairs: Vec<&[u8]> = encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).collect();
        if pairs.len() > FIELDS_MAX {
            return Self::default();
        }
        let field = |pair: &[u8]| {
            let middle = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let value = pair.get(middle + 1..).unwrap_or_default();
            (decoded(&pair[..middle], true), decoded(value, true))
        };
        Self(pairs.into_iter().map(field).collect())
    }

    /// A field; of those with one name, the last.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What percent signs encode; what is none of UTF-8 becomes a replacement character.
pub(super) fn decoded(encoded: &[u8], plus_is_blank: bool) -> String {
    let digit = |place: usize| encoded.get(place).and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut place = 0;
    while let Some(byte) = encoded.get(place) {
        place += 1;
        match (byte, digit(place), digit(place + 1)) {
            (b'%', Some(high), Some(low)) => {
                // Two digits make a byte.
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                place += 2;
            }
            (b'+', ..) if plus_is_blank => bytes.push(b' '),
            _ => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Each way in which what is behind us may read a path: routers differ in whether they look at letters' case, decode once
/// or twice, join slashes and follow dots. A guard that covers one of them holds.
pub(super) fn readings(path: &str) -> Vec<String> {
    let plain = flat(path);
    let once = flat(&decoded(plain.as_bytes(), false));
    let twice = flat(&decoded(once.as_bytes(), false));
    let (walked_once, walked) = (walked(&once), walked(&twice));
    vec![plain, once, twice, walked_once, walked]
}

/// In lower case, with slashes that lean forward and stand alone.
pub(super) fn flat(path: &str) -> String {
    let mut flat = String::with_capacity(path.len());
    for letter in path.to_lowercase().chars() {
        let letter = if letter == '\\' { '/' } else { letter };
        if letter != '/' || !flat.ends_with('/') {
            flat.push(letter);
        }
    }
    flat
}

/// The path that dots lead to.
fn walked(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}
