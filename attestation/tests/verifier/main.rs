//! The rules ATT-01 to ATT-37, each with a valid document and one that is wrong in that respect
//! alone. `forge` makes the documents, correctly signed under a root of its own; `nitro` reads
//! real ones; `stored` keeps forged ones as files for everybody.
#![allow(clippy::unwrap_used, reason = "tests")]

mod chain;
mod envelope;
mod expectations;
mod forge;
mod nitro;
mod payload;
mod random;
mod root;
mod stored;
