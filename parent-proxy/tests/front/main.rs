//! The parent as customers, apps, operators and the enclave meet it: real listeners, a real link, a stand-in enclave.
#![allow(clippy::unwrap_used, reason = "tests")]

mod courier;
mod customer;
mod enclave;
mod imports;
mod lifecycle;
mod machine;
mod operator;
mod parent;
mod requests;
mod stream;
