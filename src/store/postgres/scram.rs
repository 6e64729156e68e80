//! SCRAM-SHA-256 (RFC 5802, RFC 7677): proves that we know the password without telling it, and has the server prove that it
//! knows it, too. Over TLS the proof is bound to the server's certificate (RFC 5929, `tls-server-end-point`), so that nobody
//! between can pass it on.

use crate::guard::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The name of the method without binding.
const PLAIN: &str = "SCRAM-SHA-256";
/// The name of the method with it.
const BOUND: &str = "SCRAM-SHA-256-PLUS";

/// Rounds that the server may ask for: PostgreSQL's own number, and as many as still take well under a second. Fewer would let
/// somebody who listens try passwords, more would keep us busy.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=200_000;
/// Bytes of what the server says.
const MESSAGE_BYTES_MAX: usize = 2048;
/// Bytes of our own nonce, before base64.
pub(super) const NONCE_BYTES: usize = 18;

/// Why the server is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScramError {
    /// It does not keep to the method.
    Malformed,
    /// It asks for too few or too many rounds.
    Iterations,
    /// It does not know the password.
    WrongServer,
}

/// A login under way.
pub(super) struct Scram {
    password: Secret<String>,
    /// What says whether and to what it is bound.
    header: &'static str,
    binding: Vec<u8>,
    first: String,
    expected: Option<[u8; 32]>,
}

impl Scram {
    /// Begins a login by one of the `methods` that the server offers. `binding` is the hash of its certificate; where it is not
    /// used, the server learns that it could have been, so that nobody between can have taken the better method out of the list.
    /// Tells the method, too.
    pub(super) fn new(
        methods: &[&str],
        password: Secret<String>,
        binding: Option<Vec<u8>>,
        nonce: [u8; NONCE_BYTES],
    ) -> Option<(&'static str, Self)> {
        let (method, header, binding) = match binding {
            Some(hash) if methods.contains(&BOUND) => (BOUND, "p=tls-server-end-point,,", hash),
            _ if !methods.contains(&PLAIN) => return None,
            Some(_) => (PLAIN, "y,,", Vec::new()),
            None => (PLAIN, "n,,", Vec::new()),
        };
        // PostgreSQL takes the user's name from the start-up message.
        let first = format!("n=,r={}", STANDARD.encode(nonce));
        Some((method, Self { password, header, binding, first, expected: None }))
    }

    /// What we say first.
    pub(super) fn first(&self) -> String {
        format!("{}{}", self.header, self.first)
    }

    /// Answers what the server says first with our proof.
    pub(super) fn answer(&mut self, server_first: &[u8]) -> Result<String, ScramError> {
        let server_first = text(server_first)?;
        let mut parts = server_first.split(',');
        let mut part =
            |name: &str| parts.next().and_then(|part| part.strip_prefix(name)).ok_or(ScramError::Malformed);
        let (nonce, salt, iterations) = (part("r=")?, part("s=")?, part("i=")?);
        let ours = self.first.strip_prefix("n=,r=").ok_or(ScramError::Malformed)?;
        // One proof is all that a server gets.
        if !nonce.starts_with(ours) || nonce.len() == ours.len() || self.expected.is_some() {
            return Err(ScramError::Malformed);
        }
        let salt = STANDARD.decode(salt).map_err(|_| ScramError::Malformed)?;
        let iterations = iterations.parse().map_err(|_| ScramError::Malformed)?;
        if !ITERATIONS.contains(&iterations) {
            return Err(ScramError::Iterations);
        }
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(self.password.expose().as_bytes(), &salt, iterations, &mut salted);
        let bound = [self.header.as_bytes(), &self.binding].concat();
        let unproven = format!("c={},r={nonce}", STANDARD.encode(bound));
        let signed = format!("{},{server_first},{unproven}", self.first);
        let client_key = mac(&salted, b"Client Key");
        let signature = mac(&Sha256::digest(client_key), signed.as_bytes());
        let proof: Vec<u8> =
            client_key.iter().zip(signature).map(|(key, signature)| key ^ signature).collect();
        self.expected = Some(mac(&mac(&salted, b"Server Key"), signed.as_bytes()));
        zeroize::Zeroize::zeroize(&mut salted);
        Ok(format!("{unproven},p={}", STANDARD.encode(proof)))
    }

    /// Looks at the server's own proof.
    pub(super) fn finish(&self, server_final: &[u8]) -> Result<(), ScramError> {
        let proof = text(server_final)?.split(',').next().and_then(|part| part.strip_prefix("v="));
        let proof = proof.and_then(|proof| STANDARD.decode(proof).ok()).ok_or(ScramError::Malformed)?;
        let expected = self.expected.as_ref().ok_or(ScramError::Malformed)?;
        if bool::from(proof[..].ct_eq(&expected[..])) { Ok(()) } else { Err(ScramError::WrongServer) }
    }
}

fn text(bytes: &[u8]) -> Result<&str, ScramError> {
    let bytes = bytes.get(..bytes.len().min(MESSAGE_BYTES_MAX + 1)).unwrap_or_default();
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(ScramError::Malformed);
    }
    std::str::from_utf8(bytes).map_err(|_| ScramError::Malformed)
}

fn mac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256>>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// The hash of a certificate that a login over it is bound to: by the hash of the certificate's own signature, SHA-256 in place
/// of weaker ones. `None` for a signature without a hash of its own, such as Ed25519's, for which nothing is specified.
pub(super) fn certificate_binding(certificate: &[u8]) -> Option<Vec<u8>> {
    let (certificate_fields, _) = der(certificate, 0x30)?;
    let (_, after_content) = der(certificate_fields, 0x30)?;
    let (algorithm, _) = der(after_content, 0x30)?;
    let (identifier, _) = der(algorithm, 0x06)?;
    match identifier {
        // RSA and ECDSA with SHA-256, or with SHA-1 or MD5.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04 | 0x05 | 0x0b]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02] => Some(Sha256::digest(certificate).to_vec()),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03] => {
            Some(sha2::Sha384::digest(certificate).to_vec())
        }
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04] => {
            Some(sha2::Sha512::digest(certificate).to_vec())
        }
        _ => None,
    }
}

/// The contents of the element of this kind that `bytes` begin with, and what comes after it.
fn der(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = bytes.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |number, digit| number << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What RFC 7677 shows, but for the user's name, which we do not send: so the numbers were computed by a second
    /// implementation.
    fn login() -> Scram {
        let begun = Scram::new(&[PLAIN], Secret::new("pencil".to_owned()), None, [0; NONCE_BYTES]);
        let (_, mut scram) = begun.expect("the method is offered");
        scram.first = "n=user,r=rOprNGfwEbeRWgbNEkqO".to_owned();
        scram
    }

    fn answer(scram: &mut Scram, server_first: &str) -> Result<String, ScramError> {
        scram.first = scram.first.replace("n=user,", "n=,");
        scram.answer(server_first.as_bytes())
    }

    #[test]
    fn a_proof_is_that_of_the_method() {
        // With the name in it, as the RFC has it: the parts that sign are the same.
        let mut scram = login();
        let server = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(scram.answer(server.as_bytes()), Err(ScramError::Malformed), "a name is none of ours");
        let proven = answer(&mut scram, server).expect("keeps to the method");
        assert!(
            proven.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="),
            "{proven}"
        );
        assert_eq!(scram.finish(b"v=AAAA"), Err(ScramError::WrongServer));
        assert_eq!(scram.finish(b"e=invalid-proof"), Err(ScramError::Malformed));
        let right = format!("v={}", STANDARD.encode(scram.expected.expect("is known")));
        assert_eq!(scram.finish(right.as_bytes()), Ok(()));
    }

    #[test]
    fn a_login_is_bound_where_it_can_be_and_tells_where_it_is_not() {
        let begin = |methods: &[&str], binding: Option<Vec<u8>>| {
            let begun = Scram::new(methods, Secret::new(String::new()), binding, [0; NONCE_BYTES]);
            begun.map(|(method, scram)| (method, scram.first().split("n=").next().map(str::to_owned)))
        };
        let hash = || Some(vec![1, 2]);
        let header = |header: &str| Some(header.to_owned());
        assert_eq!(begin(&[BOUND, PLAIN], hash()), Some((BOUND, header("p=tls-server-end-point,,"))));
        assert_eq!(begin(&[PLAIN], hash()), Some((PLAIN, header("y,,"))));
        assert_eq!(begin(&[BOUND, PLAIN], None), Some((PLAIN, header("n,,"))));
        assert_eq!(begin(&[BOUND], None), None);
        assert_eq!(begin(&["OTHER"], hash()), None);
    }

    #[test]
    fn a_server_that_does_not_keep_to_the_method_gets_no_proof() {
        let begin = "r=rOprNGfwEbeRWgbNEkqO";
        for (server, expected) in [
            (format!("{begin}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095"), ScramError::Iterations),
            (format!("{begin}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=200001"), ScramError::Iterations),
            (format!("{begin}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999"), ScramError::Malformed),
            (format!("{begin},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), ScramError::Malformed),
            ("r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".to_owned(), ScramError::Malformed),
            (format!("{begin}x,s=*,i=4096"), ScramError::Malformed),
            (format!("{begin}x,i=4096"), ScramError::Malformed),
            (format!("{begin}{},s=,i=4096", "x".repeat(4096)), ScramError::Malformed),
            (String::new(), ScramError::Malformed),
        ] {
            let mut scram = login();
            assert_eq!(answer(&mut scram, &server), Err(expected), "{server:.80}");
            assert_eq!(scram.finish(b"v=AAAA"), Err(ScramError::Malformed));
        }
    }
}
