//! An email as it travels: its headers and its text. `lettre` writes the headers; the text is neither folded nor
//! encoded where that can be helped, so that the code in it stays whole.

use super::delivery::MailError;
use super::mailbox::{Address, Sender};
use super::templates::Email;
use crate::clock::Timestamp;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, Date, HeaderName, HeaderValue, Headers, MIME_VERSION_1_0, Subject,
};
use sha2::{Digest, Sha256};
use std::time::{Duration, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Bytes of a line in an email without its end (RFC 5322).
const LINE_BYTES_MAX: usize = 998;
/// The same where it is quoted-printable (RFC 2045), with what says that the line goes on.
const QUOTED_LINE_BYTES_MAX: usize = 76;

/// Whether a text can be sent without folding it: no line is too long, and there are only lines.
#[must_use]
pub fn is_sendable(text: &str) -> bool {
    !text.contains(['\0', '\r']) && text.lines().all(|line| line.len() <= LINE_BYTES_MAX)
}

/// The whole email. ASCII text goes as it is; other text too where the server takes eight bits, and otherwise as
/// quoted-printable, which whoever reads the email never sees. Where there is HTML, too, it follows, and the mail program
/// chooses.
///
/// # Errors
///
/// The text cannot be sent.
pub fn write(
    email: &Email,
    sender: &Sender,
    recipient: &Address,
    now: Timestamp,
    eight_bit: bool,
) -> Result<Zeroizing<Vec<u8>>, MailError> {
    if !is_sendable(&email.text) {
        return Err(MailError::InvalidMessage);
    }
    let body = text_body(&email.text, eight_bit);
    let mut headers = Headers::new();
    raw(&mut headers, "From", sender.header());
    raw(&mut headers, "To", recipient.path());
    headers.set(Subject::from(email.subject.clone()));
    headers.set(Date::from(UNIX_EPOCH + Duration::from_secs(u64::try_from(now.unix_seconds()).unwrap_or(0))));
    let unique = unique(email);
    let message_id = format!("<{}.{unique}@{}>", now.micros(), sender.address.domain());
    raw(&mut headers, "Message-ID", message_id);
    raw(&mut headers, "Auto-Submitted", "auto-generated".to_owned());
    headers.set(MIME_VERSION_1_0);
    let Some(html) = &email.html else {
        return Ok(part(headers, ContentType::TEXT_PLAIN, body));
    };
    // Lines of HTML are of any length.
    let html = quoted_printable(html);
    // Quoted-printable has no `=_`, and no text holds a number that is made of it.
    let boundary = format!("=_{unique}");
    raw(&mut headers, "Content-Type", format!("multipart/alternative; boundary=\"{boundary}\""));
    let parts = [(ContentType::TEXT_PLAIN, body), (ContentType::TEXT_HTML, html)];
    let parts = parts.map(|(kind, body)| part(Headers::new(), kind, body));
    let headers = headers.to_string();
    let bytes = headers.len() + parts.iter().map(|part| part.len() + boundary.len() + 8).sum::<usize>();
    let mut message = Zeroizing::new(Vec::with_capacity(bytes + boundary.len() + 8));
    message.extend_from_slice(headers.as_bytes());
    for part in parts {
        message.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
        message.extend_from_slice(&part);
    }
    message.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Ok(message)
}

/// A text as it travels, in memory that was made once, and how it is encoded.
type Body = (Zeroizing<Vec<u8>>, ContentTransferEncoding);

/// A text and what is to be known about it.
fn part(mut headers: Headers, kind: ContentType, (body, encoding): Body) -> Zeroizing<Vec<u8>> {
    headers.set(kind);
    headers.set(encoding);
    let headers = headers.to_string();
    let mut part = Zeroizing::new(Vec::with_capacity(headers.len() + 2 + body.len()));
    part.extend_from_slice(headers.as_bytes());
    part.extend_from_slice(b"\r\n");
    part.extend_from_slice(&body);
    part
}

fn text_body(text: &str, eight_bit: bool) -> Body {
    let encoding = match (text.is_ascii(), eight_bit) {
        (true, _) => ContentTransferEncoding::SevenBit,
        (false, true) => ContentTransferEncoding::EightBit,
        (false, false) => return quoted_printable(text),
    };
    let mut lines = Zeroizing::new(Vec::with_capacity(text.len() + text.matches('\n').count()));
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            lines.extend_from_slice(b"\r\n");
        }
        lines.extend_from_slice(line.as_bytes());
    }
    (lines, encoding)
}

/// Quoted-printable (RFC 2045, section 6.7). Written here, since `lettre` leaves copies of a code behind.
fn quoted_printable(text: &str) -> Body {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    // Three bytes for each, and a soft line break after every 73 or more of them.
    let mut encoded = Zeroizing::new(Vec::with_capacity(3 * text.len() + 3 * (3 * text.len() / 73 + 1)));
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            encoded.extend_from_slice(b"\r\n");
        }
        let (mut column, last) = (0, line.len().saturating_sub(1));
        for (place, byte) in line.bytes().enumerate() {
            let is_plain =
                matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (matches!(byte, b' ' | b'\t') && place != last);
            let width = if is_plain { 1 } else { 3 };
            if column + width >= QUOTED_LINE_BYTES_MAX {
                encoded.extend_from_slice(b"=\r\n");
                column = 0;
            }
            column += width;
            if is_plain {
                encoded.push(byte);
            } else {
                let digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
                encoded.extend_from_slice(&[b'=', digits[0], digits[1]]);
            }
        }
    }
    (encoded, ContentTransferEncoding::QuotedPrintable)
}

/// Nobody else sends at this microsecond with this code; of the code itself nothing can be read from it.
fn unique(email: &Email) -> u64 {
    let hash = Sha256::digest(email.text.as_bytes());
    u64::from_be_bytes(hash[..8].try_into().expect("eight bytes of a hash"))
}

/// Adds a header whose value is already as it must be.
fn raw(headers: &mut Headers, name: &'static str, value: String) {
    let name = HeaderName::new_from_ascii_str(name);
    headers.insert_raw(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value));
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str =
        "Z0FBQUFBQmZYaEFBQUFFQ0F3UUZCZ2NJQ1FvTERBME9EXzRRLU1Qd2pJdlI2RHN0RXFmN2otblQzS3E1ZnhScVROaA==";

    fn written(text: &str, eight_bit: bool) -> Vec<u8> {
        written_email(text, None, eight_bit)
    }

    fn written_email(text: &str, html: Option<&str>, eight_bit: bool) -> Vec<u8> {
        let email = Email {
            to: String::new(),
            subject: "A subject".to_owned(),
            text: text.to_owned().into(),
            html: html.map(|html| html.to_owned().into()),
        };
        let sender = Sender::parse("Recipes <post@recipes.example>").expect("a sender");
        let recipient = Address::parse("alice@example.org").expect("an address");
        write(&email, &sender, &recipient, Timestamp::from_micros(0).expect("a time"), eight_bit)
            .expect("an email")
            .to_vec()
    }

    /// What a reader of quoted-printable text sees.
    fn decoded(text: &str) -> Vec<u8> {
        let joined = text.replace("=\r\n", "");
        let mut pieces = joined.split('=');
        let mut bytes = pieces.next().expect("a first piece").as_bytes().to_vec();
        for piece in pieces {
            let (digits, rest) = piece.split_at(2);
            bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
            bytes.extend_from_slice(rest.as_bytes());
        }
        bytes
    }

    #[test]
    fn ascii_goes_as_it_is() {
        for eight_bit in [true, false] {
            let message =
                String::from_utf8(written(&format!("Hello\n\n{CODE}\n"), eight_bit)).expect("UTF-8");
            assert!(message.contains("Content-Transfer-Encoding: 7bit\r\n"), "{message}");
            assert!(message.ends_with(&format!("\r\n\r\nHello\r\n\r\n{CODE}\r\n")), "{message}");
        }
    }

    #[test]
    fn html_follows_the_text_as_an_alternative() {
        let html = format!(
            "<p>K\u{fc}che <a href=\"https://a.example/?a=b&amp;code={CODE}\">{}</a>\n",
            "x".repeat(2000)
        );
        let message = String::from_utf8(written_email("K\u{fc}che\n", Some(&html), true)).expect("UTF-8");
        let (head, body) = message.split_once("\r\n\r\n").expect("a body");
        assert!(
            head.contains("Auto-Submitted: auto-generated") && !head.contains("Transfer-Encoding"),
            "{head}"
        );
        let (_, boundary) = head.split_once("multipart/alternative; boundary=\"").expect("parts");
        let boundary = format!("--{}", boundary.split('"').next().expect("a boundary"));
        let parts: Vec<_> = body.split(&boundary).collect();
        assert_eq!((parts.len(), parts[3]), (4, "--\r\n"), "{body}");
        assert!(parts[1].contains("text/plain; charset=utf-8") && parts[1].ends_with("K\u{fc}che\r\n\r\n"));
        assert!(parts[2].contains("text/html; charset=utf-8") && parts[2].is_ascii(), "{}", parts[2]);
        let (_, sent) = parts[2].split_once("\r\n\r\n").expect("HTML");
        assert_eq!(decoded(sent.trim_end()), html.trim_end().as_bytes());
        assert!(message.split("\r\n").all(|line| line.len() <= LINE_BYTES_MAX));
    }

    #[test]
    fn other_text_is_encoded_only_where_it_must_be() {
        let text = format!("K\u{fc}che =\n\n{CODE}\n\nhttps://a.example/?a=b&c=d\n.\nends with a blank \n");
        let message = String::from_utf8(written(&text, true)).expect("UTF-8");
        assert!(
            message.contains("Content-Transfer-Encoding: 8bit\r\n")
                && message.contains(&format!("\r\n{CODE}\r\n"))
        );
        let message = String::from_utf8(written(&text, false)).expect("ASCII");
        assert!(message.is_ascii() && message.contains("Content-Transfer-Encoding: quoted-printable\r\n"));
        let (_, body) = message.split_once("\r\n\r\n").expect("a body");
        assert!(body.split("\r\n").all(|line| line.len() <= 76), "{body}");
        assert_eq!(decoded(body), text.replace('\n', "\r\n").into_bytes());
    }
}
