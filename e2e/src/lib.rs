//! A whole Cofferdam in one thread, for tests: the real core, a simulated NSM, a parent and a revocation service that do
//! what the test says. Time stands still unless the test moves it.
//!
//! The sealing side is the SDK's cryptography, the opening side the core's: what the tests say of one holds for both.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test harness fails by panicking"
)]

pub mod app;
pub mod customer;
pub mod officers;
pub mod scene;
pub mod service;
pub mod world;

pub use app::App;
pub use customer::{Customer, Draft};
pub use service::Service;
pub use world::World;
