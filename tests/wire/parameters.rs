//! The parameters of all requests there are: each left out, each of another type, all at once. Whatever does not
//! fit is told in full and in order, and nothing is done.

use authnzerver::api::requests;
use authnzerver::request::{Param, Request};
use serde_json::{Map, Value, json};
use support::parser::value_of;
use support::{Reply, TestServer};

/// A value that fits a parameter.
fn fitting(param: &Param) -> Value {
    match param.types[0] {
        "str" => json!("some text"),
        "int" => json!(77),
        "float" => json!(0.5),
        "bool" => json!(false),
        "dict" => json!({ "uid": 77 }),
        "list" => json!([]),
        "Any" => json!([1]),
        other => panic!("no value is known for {other}"),
    }
}

/// A body that fits a request.
fn fitting_body(request: &Request) -> Map<String, Value> {
    request.params.iter().map(|param| (param.name.to_owned(), fitting(param))).collect()
}

/// Values that fit none of the parameter's types. Empty ones stand for nothing where a parameter may be left out.
fn misfits(param: &Param) -> Vec<Value> {
    let takes = |word: &str| param.types.contains(&word);
    let text = takes("str");
    let mut values = Vec::new();
    let mut add = |fits: bool, value: Value| {
        if !fits && !takes("Any") {
            values.push(value);
        }
    };
    add(text, json!("text"));
    add(takes("int") || takes("float"), json!(5));
    add(takes("float"), json!(5.5));
    add(takes("float"), value_of("1.0").expect("a number"));
    add(takes("bool"), json!(true));
    add(takes("dict"), json!({ "a": 1 }));
    add(takes("list"), json!(["a"]));
    add(param.types == ["list"], json!([1, "a"]));
    add(false, value_of("1e999").expect("a number"));
    let huge = format!("1{}", "0".repeat(400));
    add(false, value_of(&huge).expect("a number"));
    add(takes("float"), json!(u64::MAX));
    if param.required {
        add(takes("list"), json!([]));
        if !takes("None") {
            values.push(Value::Null);
        }
    }
    values
}

fn problem(param: &Param, problem: &str) -> Value {
    json!({
        "param": param.name, "problem": problem, "required_type": param.required_type(),
        "required_param": param.required,
    })
}

/// A server that can tell whether anything was done.
struct Watched {
    server: TestServer,
    watcher: rusqlite::Connection,
}

impl Watched {
    fn new() -> Self {
        let server = TestServer::start();
        let watcher = rusqlite::Connection::open(server.database()).expect("the database opens");
        Self { server, watcher }
    }

    /// Changes whenever the database does.
    fn version(&self) -> (i64, u64, usize) {
        let version = self.watcher.query_row("PRAGMA data_version", [], |row| row.get(0));
        let hashes = self.server.app.hasher.hash_operations();
        (version.expect("a number"), hashes, self.server.delays().len())
    }

    /// That a body is refused with these problems, in this order, and nothing is done.
    #[track_caller]
    fn refuses(&self, request: &Request, body: Map<String, Value>, problems: &[Value]) {
        let before = self.version();
        let reply = self.server.ask(request.name, Value::Object(body));
        let told = reply.refused("invalid request parameters");
        let nested = &told["response"];
        assert_eq!(nested["problems"], json!(problems), "{}", request.name);
        assert_eq!(nested["failure_reason"], "invalid request parameters");
        assert!(reply.messages()[0].contains(request.name));
        assert_eq!(reply.messages().len(), 1);
        assert_eq!(self.version(), before, "{} did something", request.name);
    }
}

#[test]
fn each_parameter_that_is_left_out_is_missed() {
    let watched = Watched::new();
    for request in requests() {
        for param in request.params.iter().filter(|param| param.required) {
            let mut body = fitting_body(request);
            body.remove(param.name);
            watched.refuses(request, body, &[problem(param, "missing")]);
        }
    }
}

#[test]
fn each_parameter_of_another_type_is_noticed() {
    let watched = Watched::new();
    for request in requests() {
        for param in request.params {
            for value in misfits(param) {
                let mut body = fitting_body(request);
                body.insert(param.name.to_owned(), value);
                watched.refuses(request, body, &[problem(param, "incorrect type")]);
            }
        }
    }
}

#[test]
fn all_problems_are_told_at_once_and_in_order() {
    let watched = Watched::new();
    for request in requests() {
        let required: Vec<_> = request.params.iter().filter(|param| param.required).collect();
        let missing: Vec<_> = required.iter().map(|param| problem(param, "missing")).collect();
        // Some have nothing that must be there.
        if !missing.is_empty() {
            watched.refuses(request, Map::new(), &missing);
        }

        let typed: Vec<_> = request.params.iter().filter(|param| !misfits(param).is_empty()).collect();
        if typed.is_empty() {
            continue;
        }
        let mut body = fitting_body(request);
        for param in &typed {
            body.insert(param.name.to_owned(), misfits(param).swap_remove(0));
        }
        let wrong: Vec<_> = typed.iter().map(|param| problem(param, "incorrect type")).collect();
        watched.refuses(request, body.clone(), &wrong);

        // Every other one missing, the rest of another type.
        let mut mixed = Vec::new();
        for (place, param) in typed.iter().enumerate() {
            if place % 2 == 0 && param.required {
                body.remove(param.name);
                mixed.push(problem(param, "missing"));
            } else {
                mixed.push(problem(param, "incorrect type"));
            }
        }
        watched.refuses(request, body, &mixed);
    }
}

/// Whether the parameters were found to fit, whatever came of the request.
fn fits(reply: &Reply) -> bool {
    match reply {
        Reply::Answered(answer) => answer["failure_reason"] != "invalid request parameters",
        Reply::Rejected(..) => false,
    }
}

#[test]
fn a_body_that_fits_is_taken_with_whatever_else_is_in_it() {
    for request in requests() {
        let server = TestServer::start();
        let mut body = fitting_body(request);
        for (key, value) in [
            ("reqid", json!([])),
            ("pii_salt", json!(5)),
            ("public_suffix_list", json!({ "com": null })),
            ("", json!(null)),
            ("é\u{0}", json!(-0.5)),
        ] {
            body.insert(key.to_owned(), value);
        }
        let reply = server.ask(request.name, Value::Object(body));
        assert!(fits(&reply), "{}: {reply:?}", request.name);
    }
}

#[test]
fn null_stands_for_nothing_where_that_is_allowed() {
    for request in requests() {
        for param in request.params {
            if !param.required || param.types.contains(&"None") {
                let server = TestServer::start();
                let mut body = fitting_body(request);
                body.insert(param.name.to_owned(), Value::Null);
                let reply = server.ask(request.name, Value::Object(body));
                assert!(fits(&reply), "{}, {}: {reply:?}", request.name, param.name);
            }
        }
    }
}

#[test]
fn what_may_be_left_out_may_be_empty_or_not_be_there() {
    for request in requests() {
        let optional: Vec<_> = request.params.iter().filter(|param| !param.required).collect();
        if optional.is_empty() {
            continue;
        }
        for empty in
            [None, Some(json!("")), Some(json!([])), Some(json!({})), Some(json!(false)), Some(json!(0))]
        {
            let server = TestServer::start();
            let mut body = fitting_body(request);
            for param in &optional {
                match &empty {
                    None => body.remove(param.name),
                    Some(empty) => body.insert(param.name.to_owned(), empty.clone()),
                };
            }
            let reply = server.ask(request.name, Value::Object(body));
            assert!(fits(&reply), "{} with {empty:?}: {reply:?}", request.name);
        }
    }
}
