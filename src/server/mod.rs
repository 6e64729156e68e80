//! The running server, from its settings to its end.
//!
//! | file | does |
//! | --- | --- |
//! | `boot.rs` | makes the server's parts of its settings |
//! | `startup.rs` | checks what the system gives, and prepares the database |
//! | `memory.rs` | shares out the memory |
//! | `router.rs` | says where a request goes |
//! | `health.rs` | answers the health check |
//! | `maintenance.rs` | does what recurs |

pub mod boot;
pub mod health;
pub mod maintenance;
pub mod memory;
pub mod router;
pub mod startup;
