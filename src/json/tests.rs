//! What the reader takes, what it makes of it, and that nothing in a text leads it astray.

#![allow(clippy::disallowed_methods, reason = "serde_json's own reader is what ours is compared with")]

use super::*;
use serde_json::json;

const RAW: &str = "$serde_json::private::RawValue";
const NUMBER: &str = "$serde_json::private::Number";

fn tree(text: &str) -> Value {
    read(text, &Limits::REQUEST).unwrap_or_else(|error| panic!("{text:.200} is {error}"))
}

fn error_in(text: &str) -> JsonError {
    read(text, &Limits::REQUEST).expect_err(text)
}

fn arrays(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn objects(levels: usize) -> String {
    format!("{}0{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

#[test]
fn keys_are_data() {
    for mark in [RAW, NUMBER] {
        for inner in ["\"[1,2]\"", "\"1\"", "\"no JSON\"", "[[]]", "null", "1"] {
            let escaped = mark.replacen('$', "\\u0024", 1);
            for key in [mark, &escaped] {
                for (before, after) in [("", ""), ("[[", "]]"), (r#"{"a": 1, "b": "#, "}")] {
                    let text = format!(r#"{before}{{"{key}": {inner}}}{after}"#);
                    let mut value = &tree(&text);
                    while value.get(mark).is_none() {
                        value = value.get(0).or_else(|| value.get("b")).expect("the mark stands in there");
                    }
                    assert_eq!(value.as_object().map(Map::len), Some(1));
                    assert_eq!(value[mark], tree(inner), "{text}");
                }
            }
        }
    }
    let nested = format!(r#"{{"{RAW}": {}}}"#, json!(format!(r#"{{"{RAW}": "[]"}}"#)));
    assert!(tree(&nested)[RAW].is_string());
    assert_eq!(tree(&format!("\"{RAW}\"")), json!(RAW));
}

#[test]
fn levels_and_values_are_counted_over_the_whole_text() {
    let Limits { levels, values, .. } = Limits::REQUEST;
    for nested in [arrays, objects] {
        assert!(read(&nested(levels), &Limits::REQUEST).is_ok());
        for beyond in [levels + 1, 40_000, 1_000_000] {
            assert_eq!(error_in(&nested(beyond)), JsonError::TooDeep);
        }
        let inside = format!(r#"[1, {{"a": {}}}, 2]"#, nested(levels - 1));
        assert_eq!(error_in(&inside), JsonError::TooDeep);
    }
    let many = |count: usize| format!("[{}]", vec!["0"; count - 1].join(","));
    assert!(read(&many(values), &Limits::REQUEST).is_ok());
    assert_eq!(error_in(&many(values + 1)), JsonError::TooMany);
    let pairs = format!("[{}]", vec![r#"{"a":[]}"#; values / 2].join(","));
    assert_eq!(error_in(&pairs), JsonError::TooMany);
    let limits = Limits { bytes: 5, ..Limits::REQUEST };
    assert!(read("[1,2]", &limits).is_ok());
    assert_eq!(read(" [1,2]", &limits), Err(JsonError::TooLong));
}

#[test]
fn a_tree_is_never_deeper_than_a_stack_can_bear() {
    let limits = Limits { levels: usize::MAX, values: usize::MAX, ..Limits::FILE };
    assert!(read(&arrays(TREE_LEVELS_MAX), &limits).is_ok());
    for levels in [TREE_LEVELS_MAX + 1, 1_000_000] {
        assert_eq!(read(&arrays(levels), &limits), Err(JsonError::TooDeep));
        let text = format!(r#"{{"a": {}, "b": "c"}}"#, arrays(levels));
        let members = check(&text, &limits).ok().and_then(Json::members).expect("an object");
        assert_eq!(members[0].1.text().len(), 2 * levels);
        assert_eq!(members[1].1.string().as_deref(), Some("c"));
    }
}

#[test]
fn what_is_no_json_is_told_before_any_limit() {
    for text in ["[".repeat(1_000_000), r#"{"a":"#.repeat(1_000_000), arrays(1000) + "]"] {
        assert!(matches!(error_in(&text), JsonError::Syntax { .. }));
    }
}

#[test]
fn errors_have_a_position() {
    assert_eq!(error_in("{"), JsonError::Syntax { line: 1, column: 2 });
    assert_eq!(error_in("{\n \"a\": é}"), JsonError::Syntax { line: 2, column: 7 });
    for number in ["NaN", "Infinity", "-Infinity"] {
        let place = JsonError::PythonNumber { line: 2, column: 2 };
        assert_eq!(error_in(&format!("[1,\n {number}]")), place);
    }
    assert!(matches!(error_in("[NaN, "), JsonError::PythonNumber { .. }));
    assert!(matches!(error_in("[-NaN]"), JsonError::Syntax { .. }));
}

#[test]
fn texts_mean_what_python_takes_them_for() {
    for (written, meant) in [
        (r#""""#, ""),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u00e9\u0000\uFFff""#, "é\u{0}\u{ffff}"),
        (r#""\ud83d\ude00""#, "\u{1f600}"),
        (r#""a\uDBFF\uDFFFb""#, "a\u{10ffff}b"),
        ("\"é\u{1f600}\u{7f}\"", "é\u{1f600}\u{7f}"),
        // Halves of pairs, alone, before another and in the wrong order.
        (r#""\ud800""#, "\u{fffd}"),
        (r#""\udfffx""#, "\u{fffd}x"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
        (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        (r#""\ud83d\n\ude00""#, "\u{fffd}\n\u{fffd}"),
        (r#""\ud83d\\ude00""#, "\u{fffd}\\ude00"),
        (r#""\ud83dude00""#, "\u{fffd}ude00"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
    ] {
        assert_eq!(tree(written), json!(meant), "{written}");
        assert_eq!(tree(&format!("{{{written}: 1}}")), json!({ meant: 1 }), "{written}");
    }
    for text in [r#""\u12""#, r#""\u+123""#, r#""\x""#, "\"\n\"", "\"\u{1f}\"", "\"", r#""\"#, "'a'"] {
        assert!(matches!(error_in(text), JsonError::Syntax { .. }), "{text}");
    }
}

#[test]
fn halves_of_pairs_in_utf8_are_replaced() {
    let text = |bytes: &[u8]| without_surrogates(bytes).map(|text| text.as_str().to_owned());
    assert_eq!(
        text(b"a\xed\xa0\x80\xed\xb0\x80\xed\x9f\xbfz").as_deref(),
        Some("a\u{fffd}\u{fffd}\u{d7ff}z")
    );
    assert_eq!(text("é".as_bytes()).as_deref(), Some("é"));
    for bytes in [&b"\xff"[..], b"\xed\xa0", b"\xed", b"\xed\xa0\x80\xff"] {
        assert_eq!(text(bytes), None);
    }
}

#[test]
fn numbers_stay_as_they_were_written() {
    for number in ["0", "-0", "1.0", "1.50", "1e+05", "1e+999", "-2.5e-0003", &"9".repeat(5000)] {
        assert_eq!(tree(number).to_string(), *number);
        assert_eq!(
            check(number, &Limits::REQUEST).ok().and_then(Json::number),
            tree(number).as_number().cloned()
        );
    }
    for text in ["01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "1_000", "--1", "-a"] {
        assert!(matches!(error_in(text), JsonError::Syntax { .. }), "{text}");
    }
}

#[test]
fn a_value_is_taken_apart_one_level_at_a_time() {
    let text = " {\"a\": 1, \"b\" : [ [2], \"\\ud800\" ,{}],\n\"a\":null } ";
    let json = check(text, &Limits::REQUEST).expect("JSON");
    let members = json.members().expect("an object");
    let shown: Vec<_> = members.iter().map(|(key, value)| (key.as_str(), value.text())).collect();
    assert_eq!(shown, [("a", "1"), ("b", "[ [2], \"\\ud800\" ,{}]"), ("a", "null")]);
    let entries: Vec<_> = members[1].1.entries().expect("an array").into_iter().map(Json::text).collect();
    assert_eq!(entries, ["[2]", "\"\\ud800\"", "{}"]);
    assert!(json.entries().is_none() && members[1].1.members().is_none());
    assert!(json.string().is_none() && json.number().is_none() && members[0].1.number().is_some());
    assert_eq!(tree(text)["a"], Value::Null, "of two the last counts");
}

#[test]
fn a_stored_text_is_shown_as_it_is_or_as_null() {
    for (stored, shown) in [
        (r#"{"a": "\ud800", "b":1.00}"#, r#"{"a": "\ud800", "b":1.00}"#),
        (" [1,\t2]\n", "[1,\t2]"),
        (r#"{"a": NaN}"#, "null"),
        ("", "null"),
        ("nonsense", "null"),
        (&format!(r#"{{"{NUMBER}": "x"}}"#), &format!(r#"{{"{NUMBER}": "x"}}"#)),
        (&arrays(1024), &arrays(1024)),
        (&arrays(1025), "null"),
        (&arrays(1_000_000), "null"),
    ] {
        let text = JsonText::new(stored.to_owned());
        assert_eq!(serde_json::to_string(&text).ok().as_deref(), Some(shown));
    }
}

/// Makes texts that are JSON, nearly JSON, or not at all.
struct Texts(fastrand::Rng);

impl Texts {
    fn value(&mut self, levels: usize, into: &mut String) {
        match self.0.u8(..if levels == 0 { 8 } else { 12 }) {
            0 => into.push_str(["true", "false", "null"][self.0.usize(..3)]),
            1..4 => into.push_str(["0", "-0", "17", "-1.50", "2E+3", "1e-9", "0.1e1"][self.0.usize(..7)]),
            4..8 => self.text(into),
            8..10 => self.list(into, ['[', ']'], |texts, into| texts.value(levels - 1, into)),
            _ => self.list(into, ['{', '}'], |texts, into| {
                texts.text(into);
                texts.space(into);
                into.push(':');
                texts.space(into);
                texts.value(levels - 1, into);
            }),
        }
    }

    fn list(&mut self, into: &mut String, ends: [char; 2], mut item: impl FnMut(&mut Self, &mut String)) {
        into.push(ends[0]);
        for place in 0..self.0.usize(..4) {
            if place > 0 {
                into.push(',');
            }
            self.space(into);
            item(self, into);
            self.space(into);
        }
        into.push(ends[1]);
    }

    fn text(&mut self, into: &mut String) {
        into.push('"');
        for _ in 0..self.0.usize(..5) {
            let pieces =
                ["a", "b", "é", "\u{1f600}", "\\n", "\\/", "\\\\", "\\u0041", "\\u00e9", "\\ud83d\\ude00"];
            into.push_str(pieces[self.0.usize(..pieces.len())]);
        }
        into.push('"');
    }

    fn space(&mut self, into: &mut String) {
        into.push_str(["", "", " ", "\n", "\t\r "][self.0.usize(..5)]);
    }

    /// Removes, doubles or replaces one character.
    fn bent(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        let at = self.0.usize(..characters.len());
        match self.0.u8(..3) {
            0 => drop(characters.remove(at)),
            1 => characters.insert(at, characters[at]),
            _ => {
                let others: Vec<char> = "[]{}\",:\\ 0-.eNtu\u{1}é".chars().collect();
                characters[at] = others[self.0.usize(..others.len())];
            }
        }
        characters.into_iter().collect()
    }
}

/// What `serde_json` calls half of a surrogate pair.
const HALVES: [&str; 2] = ["surrogate", "unexpected end of hex escape"];

#[test]
fn agrees_with_another_reader_on_whatever_has_no_marks() {
    let mut texts = Texts(fastrand::Rng::with_seed(8_2027));
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut text = String::new();
        texts.value(5, &mut text);
        for text in [texts.bent(&text), text] {
            let expected = serde_json::from_str::<Value>(&text);
            match (read(&text, &Limits::REQUEST), &expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value, *expected, "{text}"),
                // The other reader does not take half of a pair.
                (Ok(_), Err(error)) if HALVES.iter().any(|told| error.to_string().contains(told)) => {}
                (Err(_), Err(_)) => refused += 1,
                (ours, theirs) => panic!("{text}: {ours:?} but {theirs:?}"),
            }
            let at_once = check_members(&text, &Limits::REQUEST).ok().and_then(|(_, members)| members);
            let later = check(&text, &Limits::REQUEST).ok().and_then(Json::members);
            let shown = |members: Members<'_>| -> Vec<_> {
                members.into_iter().map(|(key, value)| (key, value.text().to_owned())).collect()
            };
            assert_eq!(at_once.map(shown), later.map(shown), "{text}");
            taken += usize::from(expected.is_ok());
        }
    }
    assert!(taken > 20_000 && refused > 5_000, "{taken} taken, {refused} refused");
}

#[test]
fn keys_that_only_halves_of_surrogate_pairs_tell_apart_are_refused() {
    for text in [
        r#"{"\ud800":1,"\ud801":2}"#,
        r#"{"\ud800":1,"\ufffd":2}"#,
        r#"{"a":[{"x\udc00":1,"b":2,"x\udfff":3}]}"#,
        "{\"\u{fffd}\":1,\"\\ud800\":2}",
        r#"{"\ud800\ud801":1,"\ud801\ud800":2}"#,
    ] {
        assert_eq!(read(text, &Limits::REQUEST), Err(JsonError::KeysCollide), "{text}");
    }
    let stored = JsonText::new(r#"{"\ud800":1,"\ud801":2}"#.to_owned());
    assert_eq!(stored.members().err(), Some(JsonError::KeysCollide), "or a merge would lose one");
    for text in [
        r#"{"\ud800":1,"\uD800":2}"#,
        "{\"\u{fffd}\":1,\"\\ufffd\":2}",
        r#"{"\ud800":1,"\ud801a":2}"#,
        r#"{"a":{"\ud800":1},"b":{"\ud801":1}}"#,
        r#"{"\ud83d\ude00":1,"\ud83d\ude01":2}"#,
    ] {
        assert!(read(text, &Limits::REQUEST).is_ok(), "{text}");
    }
}
