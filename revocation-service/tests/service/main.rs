//! The service with real proofs: `nsm` makes Evidence under a root of the tests' own, `instance` is an enclave as far as
//! this service can see one, `world` is a service with a clock that the test moves.
#![allow(clippy::unwrap_used, reason = "tests")]

mod appraisal;
mod cli;
mod http;
mod instance;
mod nsm;
mod query;
mod registrations;
mod restore;
mod statements;
mod world;
