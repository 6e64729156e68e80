//! The server as a program: from its settings to the last answered request.
//!
//! | file | does |
//! | --- | --- |
//! | `lifecycle.rs` | starts to log and serve, obeys signals, stops in good order |
//! | `boot.rs` | makes the application of the settings |
//! | `database.rs` | opens the database, and sees to roles and first users |
//! | `listen.rs` | listens, with or without TLS |
//! | `router.rs` | says where a request goes |
//! | `health.rs` | answers the health check |
//! | `metrics.rs` | answers monitoring |
//! | `maintenance.rs` | does what recurs |
//! | `reload.rs` | reads again what can change |
//! | `notify.rs` | tells systemd that the server serves, and is alive |
//! | `check.rs` | tries a start out, for an operator |
//! | `resources.rs` | checks what the system gives |
//! | `memory.rs` | shares out the memory |
//! | `process.rs` | reads what the environment says beside settings |
//! | `rate_limits.rs` | warns of limits without effect |

pub mod boot;
pub(crate) mod check;
pub(crate) mod database;
pub mod health;
pub mod lifecycle;
pub mod listen;
pub mod maintenance;
pub(crate) mod memory;
pub(crate) mod metrics;
mod notify;
pub mod process;
pub(crate) mod rate_limits;
mod reload;
pub(crate) mod resources;
pub mod router;
