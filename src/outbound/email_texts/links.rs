//! Which links the texts of emails may have: to sites of the operator's, whole as they stand there.

use super::placeholder::OPEN;
use crate::outbound::templates::{is_allowed_site, origin};

/// Looks at the web addresses in a text, which mail programs make links of.
pub(super) fn check_links(text: &str, allowed_sites: &[String]) -> Result<(), String> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\'' | '(' | ')');
    for word in text.split(ends).filter(|word| word.contains("://")) {
        check_link(word.trim_end_matches(['.', ',', ';', ':', '!', '?']), allowed_sites)?;
    }
    Ok(())
}

/// A link that stands in a template leads to a site of the operator's.
pub(super) fn check_link(url: &str, allowed_sites: &[String]) -> Result<(), String> {
    if url.contains(OPEN) {
        return Err("a link must not be put together with a placeholder".to_owned());
    }
    let site = origin(url).ok_or_else(|| "has a link that is no plain http or https address".to_owned())?;
    if allowed_sites.is_empty() && !site.starts_with("https://") {
        return Err(format!("links to {site}; without a setting `baseurls`, links must be https"));
    }
    if !is_allowed_site(&site, allowed_sites) {
        return Err(format!("links to {site}, which is not among the sites of the setting `baseurls`"));
    }
    Ok(())
}
