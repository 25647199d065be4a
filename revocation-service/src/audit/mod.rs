//! The audit log: one signed line for every change of a registration, each naming the one before.
//!
//! It lies on another path than the database, best on another disk that only appends. An entry is synced before the call
//! that made it returns. It says what happened to whom and when, and never holds a release secret or a token. So a
//! customer can prove each revocation (T-52), and a database restored from a backup is found out (T-75).

mod entry;
mod log;

pub use entry::{Cause, Entry};
pub use log::{AuditLog, LogError, Scan, ScanEnd, scan};
