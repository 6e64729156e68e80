//! How the server listens: its address, its certificate, and the coroutines that serve connections.

use super::memory::Plan;
use super::metrics::MetricsPage;
use super::process::Process;
use super::router::Router;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::{CertificateFile, Endpoint, HttpLimits, Listener, TlsCertificate, Traffic, Workers};
use crate::log;
use crate::problem;
use crate::problem::Problem;
use std::sync::Arc;

/// The stack of one connection's coroutine. The deepest path, a request nested as far as JSON may be, needs more than
/// half of it in an unoptimised build and less than a fifth in an optimised one; a test runs it.
pub const COROUTINE_STACK_BYTES: usize = 512 * 1024;

/// Connections to the metrics at a time.
const METRICS_CONNECTIONS_MAX: usize = 16;

/// Reads the certificate and key for TLS, if that is wanted.
///
/// # Errors
///
/// One line for the operator.
pub fn read_certificate(config: &Config, process: &Process) -> Result<Option<TlsCertificate>, Problem> {
    let (Some(certificate), Some(key)) = (&config.tls_certificate_file, &config.tls_key_file) else {
        return Ok(None);
    };
    let certificate = TlsCertificate::read(certificate, key).map_err(|error| {
        let setting = match error.file() {
            CertificateFile::Certificate => "tlscertfile",
            CertificateFile::Key => "tlscertkey",
        };
        problem!("{}: {}", setting, error)
    })?;
    if certificate.key_is_open_to_others() && !process.is_credential(key) {
        log::warning("others can read the private key of TLS", &[("path", log::path(key))]);
    }
    Ok(Some(certificate))
}

/// Opens the address where the metrics can be read, if that is wanted.
///
/// # Errors
///
/// One line for the operator.
pub fn open_metrics(
    app: &Arc<App>,
    traffic: Traffic,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Listener>, Problem> {
    let Some(address) = app.config.metrics else { return Ok(None) };
    let workers = Workers { threads: app.config.workers, stack_bytes: COROUTINE_STACK_BYTES };
    let limits = HttpLimits { connections_max: METRICS_CONNECTIONS_MAX, ..HttpLimits::default() };
    let page = Arc::new(MetricsPage::new(Arc::clone(app), traffic));
    let host = address.ip().to_string();
    let listener =
        Listener::start((host.as_str(), address.port()), workers, limits, Arc::clone(clock), page, None)
            .map_err(|error| problem!("metrics: {}", error))?;
    log::info("metrics", &[("address", log::own_address(listener.local_addr()))]);
    Ok(Some(listener))
}

/// Begins to listen.
///
/// # Errors
///
/// One line for the operator.
pub fn open_listener(
    app: &Arc<App>,
    process: &Process,
    plan: &Plan,
    clock: &Arc<dyn Clock>,
    certificate: Option<TlsCertificate>,
) -> Result<Listener, Problem> {
    let config = &app.config;
    let limits = HttpLimits {
        connections_max: plan.connections,
        large_bodies_bytes_max: usize::try_from(plan.bodies_bytes).unwrap_or(usize::MAX),
        body_bytes_max: config.body_bytes_max,
        head_seconds_max: config.head_seconds_max,
        body_seconds_max: config.body_seconds_max,
        idle_seconds_max: config.idle_seconds_max,
        ..HttpLimits::default()
    };
    let workers = Workers { threads: config.workers, stack_bytes: COROUTINE_STACK_BYTES };
    let server = Arc::new(Router::new(Arc::clone(app)));
    let host = config.listen.to_string();
    let endpoint = match process.sockets {
        0 => Endpoint::Address(&host, config.port),
        1 => Endpoint::HandedOver,
        _ => {
            return Err(Problem::from(
                "systemd handed over several sockets; leave one ListenStream= in the socket unit",
            ));
        }
    };
    Listener::start(endpoint, workers, limits, Arc::clone(clock), server, certificate)
        .map_err(|error| Problem::of(&error))
}
