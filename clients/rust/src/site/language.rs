//! Which language a visitor reads, and what to call their browser.

use super::texts::{BROWSERS, SYSTEMS};

const LANGUAGES_ASKED_MAX: usize = 32;
const BROWSER_LETTERS_MAX: usize = 60;

/// The best of these languages by `Accept-Language`; the first where none of them is asked for.
pub(super) fn preferred<'a>(header: &str, languages: &'a [String]) -> &'a str {
    let mut wishes: Vec<(f32, String)> = Vec::new();
    for part in header.split(',').take(LANGUAGES_ASKED_MAX) {
        let part = part.trim().to_lowercase();
        let (tag, weight) = part.split_once(';').unwrap_or((&part, "q=1"));
        let weight = weight.trim();
        let quality: f32 = weight.strip_prefix("q=").unwrap_or(weight).parse().unwrap_or(0.0);
        if quality > 0.0 && !tag.trim().is_empty() {
            wishes.push((quality, tag.trim().to_owned()));
        }
    }
    wishes.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (_, tag) in &wishes {
        // For `de-CH` without texts of its own, those of `de`.
        for tag in [tag.as_str(), tag.split('-').next().unwrap_or_default()] {
            if let Some(found) = languages.iter().find(|language| language.eq_ignore_ascii_case(tag)) {
                return found;
            }
        }
    }
    languages.first().map_or("en", String::as_str)
}

/// What a person would call the browser that sends this; what it sends, where nobody knows.
pub(super) fn browser_name(user_agent: &str) -> String {
    let find = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(BROWSERS), find(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) if user_agent.is_empty() => "?".to_owned(),
        (None, _) => user_agent.chars().take(BROWSER_LETTERS_MAX).collect(),
    }
}
