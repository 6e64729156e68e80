//! A line of the key file: keys, most often one, and behind a `#` the name that an operator gave it and what it may ask,
//! such as `KEY # web2 requests=session-info,batch`. Whoever knows of no such thing reads a key and a remark.

/// What a limit begins with.
const LIMIT: &str = "requests=";
/// The longest name of a key. A key itself is longer, so that none that stands in a remark passes for a name.
const NAME_CHARACTERS_MAX: usize = 40;
/// The longest name of a request.
const REQUEST_CHARACTERS_MAX: usize = 40;

/// A line of the key file.
pub(crate) struct KeyLine<'t> {
    /// The keys, with whatever stands between them.
    pub(crate) keys: &'t str,
    /// What they are called.
    pub(crate) name: Option<&'t str>,
    /// What they may ask.
    pub(crate) limit: Limit<'t>,
}

/// What a key may ask.
pub(crate) enum Limit<'t> {
    /// Everything.
    Nothing,
    /// These requests.
    Requests(Vec<&'t str>),
    /// It was to be limited, and nobody can tell to what.
    Malformed,
}

impl<'t> KeyLine<'t> {
    /// Reads a line. A remark that seems to be meant as a limit and is none gives no key.
    pub(crate) fn read(line: &'t str) -> Self {
        let (keys, remark) = keys_and_remark(line);
        let Some((name, limit)) = remark.and_then(split_limit) else {
            return Self { keys, name: remark, limit: Limit::Nothing };
        };
        let requests: Vec<&str> = limit.split(',').collect();
        let is_whole = requests.iter().all(|request| is_request_name(request)) && !is_meant_as_limit(name);
        let limit = if is_whole { Limit::Requests(requests) } else { Limit::Malformed };
        Self { keys, name: Some(name).filter(|name| !name.is_empty()), limit }
    }
}

/// Whether a text can be the name of a key where it must be nothing else, such as in an event.
pub(crate) fn is_key_name(name: &str) -> bool {
    let is_good = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    (1..=NAME_CHARACTERS_MAX).contains(&name.len()) && name.chars().all(is_good)
}

/// The keys in a line, and the remark behind a `#` that follows white space or begins the line.
fn keys_and_remark(line: &str) -> (&str, Option<&str>) {
    let mut marks = line.match_indices('#').map(|(place, _)| place);
    let mark = marks.find(|place| line[..*place].chars().next_back().is_none_or(char::is_whitespace));
    match mark {
        None => (line, None),
        Some(place) => (&line[..place], Some(line[place + 1..].trim()).filter(|remark| !remark.is_empty())),
    }
}

/// A remark's name and its limit, which is the last word; what only seems to be meant as one comes as an empty limit.
fn split_limit(remark: &str) -> Option<(&str, &str)> {
    let (name, last) = match remark.rsplit_once(char::is_whitespace) {
        Some((name, last)) => (name.trim_end(), last),
        None => ("", remark),
    };
    match last.strip_prefix(LIMIT) {
        Some(limit) => Some((name, limit)),
        None => is_meant_as_limit(remark).then_some((remark, "")),
    }
}

/// Whether a remark has a limit in it that is spelled another way: `Requests=`, `request =`, `requests:`.
fn is_meant_as_limit(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.match_indices("request").any(|(place, word)| {
        let rest = &text[place + word.len()..];
        rest.strip_prefix('s').unwrap_or(rest).trim_start().starts_with('=')
            || rest.strip_prefix('s').is_some_and(|rest| rest.trim_start().starts_with(':'))
    })
}

fn is_request_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    (1..=REQUEST_CHARACTERS_MAX).contains(&name.len()) && name.bytes().all(is_good)
}
