//! The reader of JSON beside Python's, which the servers that call use: both take the same texts for the same values.

use authnzerver::json::{self, JsonError, Limits};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use support::python::python;

/// Reads a text a line, in hexadecimal, and writes what each means in a line; `error` for what is not JSON, and
/// `constant` where one of Python's own numbers stands.
const PYTHON: &str = r##"
import json, re, sys

class Constant(Exception):
    pass

def constant(name):
    raise Constant

def number(text):
    text = text.lower()
    return ("#", re.sub("e(?=[0-9])", "e+", text))

def whole(text):
    return re.sub("[\ud800-\udfff]", "\ufffd", text)

def members(pairs):
    return {whole(key): value for key, value in pairs}

def shown(value):
    if value is None or value is True or value is False:
        return str(value)
    if isinstance(value, tuple):
        return "".join(value)
    if isinstance(value, str):
        return "'" + whole(value).encode().hex()
    if isinstance(value, list):
        return "[" + " ".join(map(shown, value)) + "]"
    return "{" + " ".join(shown(key) + "=" + shown(value[key]) for key in sorted(value)) + "}"

for line in sys.stdin:
    text = bytes.fromhex(line.strip()).decode()
    try:
        print(shown(json.loads(text, parse_int=number, parse_float=number, parse_constant=constant,
                               object_pairs_hook=members)))
    except Constant:
        print("constant")
    except ValueError:
        print("error")
"##;

/// What our reader makes of it, in the same words.
fn shown(value: &Value) -> String {
    let hex = |text: &str| {
        text.bytes().fold("'".to_owned(), |mut shown, byte| {
            write!(shown, "{byte:02x}").expect("writes into memory");
            shown
        })
    };
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => format!("#{number}"),
        Value::String(text) => hex(text),
        Value::Array(entries) => format!("[{}]", entries.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{}={}", hex(key), shown(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(" "))
        }
    }
}

fn ours(text: &str) -> String {
    match json::read(text, &Limits::REQUEST) {
        Ok(value) => shown(&value),
        Err(JsonError::PythonNumber { .. }) => "constant".to_owned(),
        Err(_) => "error".to_owned(),
    }
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\"a\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud83d\\ud83d\\ude00\"",
    "\"\\u00E9é\"",
    "\"\\/\\b\\f\\n\\r\\t\\\\\\\"\"",
    "\"\\u12\"",
    "\"\\x\"",
    "\"\t\"",
    "\"$serde_json::private::Number\"",
    "0",
    "-0",
    "1",
    "-1",
    "01",
    "1.",
    "1.50",
    ".5",
    "1e5",
    "1E+05",
    "-1.0e-2",
    "123456789012345678901234567890",
    "1e999",
    "-",
    "true",
    "false",
    "null",
    "True",
    "NaN",
    "Infinity",
    "-Infinity",
    "-NaN",
    "nul",
    " ",
    "\n",
    "\r",
    "\t",
    "\u{a0}",
    "\u{feff}",
    "\u{1}",
    "\u{7f}",
    "//",
    "'a'",
];

/// A value, more or less.
fn text(random: &mut fastrand::Rng, levels: usize) -> String {
    let piece = |random: &mut fastrand::Rng| PIECES[random.usize(..PIECES.len())];
    let scalar = |random: &mut fastrand::Rng| PIECES[random.usize(7..38)];
    match random.u8(..if levels == 0 { 4 } else { 9 }) {
        0 => piece(random).to_owned(),
        1..4 => scalar(random).to_owned(),
        4..6 => {
            let entries: Vec<String> = (0..random.usize(..4)).map(|_| text(random, levels - 1)).collect();
            format!("[{}]", entries.join(","))
        }
        _ => {
            let member = |random: &mut fastrand::Rng| {
                let key = PIECES[random.usize(7..14)];
                format!("{key}:{}{}", ["", " ", "\n"][random.usize(..3)], text(random, levels - 1))
            };
            let members: Vec<String> = (0..random.usize(..4)).map(|_| member(random)).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

#[test]
fn every_text_means_what_it_means_to_python() {
    let mut random = fastrand::Rng::with_seed(20_270_105);
    let mut texts: Vec<String> = (0..20_000).map(|_| text(&mut random, 4)).collect();
    texts.extend(PIECES.iter().map(|piece| (*piece).to_owned()));
    let lines: String = texts
        .iter()
        .map(|text| text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat() + "\n")
        .collect();
    let mut python = python()
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut input = python.stdin.take().expect("is piped");
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).expect("Python reads"));
    let output = python.wait_with_output().expect("Python ends");
    writer.join().expect("all was written");
    let answers = String::from_utf8(output.stdout).expect("Python writes ASCII");
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), texts.len());
    for (text, theirs) in texts.iter().zip(&answers) {
        assert_eq!(ours(text), *theirs, "{text:?}");
    }
    for (outcome, least) in [("error", 2_000), ("constant", 500)] {
        let count = answers.iter().filter(|answer| **answer == outcome).count();
        assert!(count >= least, "only {count} times {outcome}");
    }
    let values = answers.iter().filter(|answer| !matches!(**answer, "error" | "constant")).count();
    assert!(values > 5_000, "only {values} values");
}
