//! One text for both engines: PostgreSQL numbers the parameters that `sql/` names.

/// A statement as PostgreSQL takes it, and the names of its parameters in the order of their numbers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    pub(super) text: String,
    pub(super) names: Box<[Box<str>]>,
}

/// Gives each parameter its number. What is quoted stays as it is, and comments are left out.
pub(super) fn number(statement: &str) -> Numbered {
    let mut text = String::with_capacity(statement.len());
    let mut names: Vec<Box<str>> = Vec::new();
    let mut rest = statement;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            '-' if rest.starts_with("--") => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            ':' if rest.starts_with("::") => 2,
            ':' => 1 + rest[1..].find(|next| !is_of_name(next)).unwrap_or(rest.len() - 1),
            other => other.len_utf8(),
        };
        let (piece, after) = rest.split_at(length);
        rest = after;
        if first != ':' || !piece.ends_with(is_of_name) {
            text.push_str(piece);
            continue;
        }
        let known = names.iter().position(|name| **name == *piece);
        let index = known.unwrap_or_else(|| {
            names.push(piece.into());
            names.len() - 1
        });
        text.push('$');
        text.push_str(&(index + 1).to_string());
    }
    Numbered { text, names: names.into() }
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_get_numbers_and_nothing_else_does() {
        let Numbered { text, names } = number(
            "-- Not :this.\nSELECT ':no', \":no\", a::text, 'it''s :no' FROM t WHERE a = :a_1 AND b > :b AND c IN (:a_1)",
        );
        let expected =
            "\nSELECT ':no', \":no\", a::text, 'it''s :no' FROM t WHERE a = $1 AND b > $2 AND c IN ($1)";
        assert_eq!(text, expected);
        assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), [":a_1", ":b"]);
        for text in ["", ":", "a:", "'open", "--", "é :é"] {
            assert_eq!(number(text).names.len(), 0, "{text}");
        }
    }
}
