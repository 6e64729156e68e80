//! Until when a certificate is valid: the one thing in it that an operator has to be reminded of. Of X.509 (RFC 5280)
//! only as much is read as lies before it; whether the certificate is otherwise good is the business of `rustls`.

use crate::clock::Timestamp;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Bytes of a length that is written with its own length before it; more are of no certificate.
const LENGTH_BYTES_MAX: usize = 4;

/// When a certificate in DER ends; nothing if that cannot be read.
pub(super) fn ends(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut fields, _) = element(certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        fields = any(fields)?.2;
    }
    // Its number, the algorithm, and the issuer.
    for _ in 0..3 {
        fields = any(fields)?.2;
    }
    let (validity, _) = element(fields, SEQUENCE)?;
    let (kind, text, _) = any(any(validity)?.2)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match kind {
        // RFC 5280, 4.1.2.5.1.
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let part = |from: usize| text.get(from..from + 2);
    let (year, month, day) = (text.get(..4)?, part(4)?, part(6)?);
    Timestamp::parse(&format!("{year}-{month}-{day}T{}:{}:{}", part(8)?, part(10)?, part(12)?))
}

/// The content of an element of this kind, and what follows it.
fn element(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    any(der).filter(|(found, ..)| *found == kind).map(|(_, content, rest)| (content, rest))
}

fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let (length, rest) = rest.split_at_checked(count).filter(|_| count <= LENGTH_BYTES_MAX)?;
        (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*kind, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(["auth.example".to_owned()]).expect("a name");
        params.not_after = date_time_ymd(year, 3, 4);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("signs").der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        for year in [2027, 2049, 2050, 2300] {
            let ends = ends(&certificate(year)).expect("a time");
            assert_eq!(ends.wire(), format!("{year}-03-04T00:00:00"));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end_and_no_piece_of_one_does_harm() {
        let whole = certificate(2027);
        for length in 0..whole.len() {
            let _ = ends(&whole[..length]);
            let mut odd = whole.clone();
            odd[length] ^= 0xff;
            let _ = ends(&odd);
        }
        assert!(ends(b"").is_none() && ends(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_none());
        assert!(ends(&[0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1]).is_none());
    }
}
