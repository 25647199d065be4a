//! The provider's side of Cofferdam: HTTP front, outer layer, record store, link to the enclave, status courier.
//!
//! Trust: the provider trusts this process with its own keys (the outer layer) and with availability; nobody else
//! trusts it at all. Everything from the internet is hostile to it, and everything that it sends is hostile to the
//! enclave, so it decides nothing that a customer relies on. There is no type for an opened customer key here, and no
//! way to make one: what comes out of the outer layer is a layer sealed to the enclave.
#![forbid(unsafe_code)]

pub mod config;
pub mod courier;
pub mod imports;
pub mod link;
pub mod provider_keys;
pub mod store;
pub mod validator;

mod asks;
mod clients;
mod evidence;
mod framing;
mod http;
mod lifecycle;
mod listener;
mod parent;
mod run;
mod telemetry;
mod tls;
mod vendor_statement;

pub use config::Config;
pub use http::openapi;
pub use http::problem_status;
pub use run::{RunError, run};
pub use telemetry::init_logging;
