//! A server that speaks TLS, with a certificate of an authority of one's own, good for 127.0.0.1 and a hundred years.

use super::real::Real;
use super::vectors::visitor;
use super::{client, once};
use crate::{Client, Error};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

fn trusting_the_authority() -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(include_bytes!("data/authority.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(config.unwrap().with_root_certificates(roots).with_no_client_auth())
}

#[test]
fn only_a_server_that_somebody_vouches_for_is_told_anything() {
    let file = std::env::temp_dir().join(format!("authnzerver-client-{}.pem", std::process::id()));
    std::fs::write(&file, include_bytes!("data/server.pem")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let real = Real::start(&[("CERTIFICATE", file.as_os_str())]);
    let trusted = client(&real.url, &real.key, once()).with_tls(trusting_the_authority());
    for _ in 0..3 {
        trusted.itself().session_new(&visitor()).unwrap();
    }
    assert!(format!("{trusted:?}").contains("1 connections"), "{trusted:?}");

    let refuses = |client: &Client| {
        let error = client.itself().session_new(&visitor()).unwrap_err();
        assert!(matches!(error, Error::Unavailable { maybe_done: false, .. }), "{error:?}");
        assert!(error.to_string().contains("certificate"), "{error}");
    };
    refuses(&client(&real.url, &real.key, once()));
    let by_name = real.url.replace("127.0.0.1", "localhost");
    refuses(&client(&by_name, &real.key, once()).with_tls(trusting_the_authority()));
    std::fs::remove_file(&file).unwrap();
}
