//! Texts as they stand in HTML, and back.

/// A text as it stands in HTML, also within the quotes of an attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A text that the server has escaped, as it was.
pub(super) fn unescape(text: &str) -> String {
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#39;", "'")];
    let text = plain.iter().fold(text.to_owned(), |text, (entity, letter)| text.replace(entity, letter));
    // The last, for what looks like another entity behind it was text.
    text.replace("&amp;", "&")
}
