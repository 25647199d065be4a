//! What must not start (T-15, T-31).

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unreachable_pub, dead_code, reason = "a module of tests, used in part")]

#[path = "shell/stage.rs"]
mod stage;

use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use cofferdam_enclave::{Attestor, AttestorError, EntropyError, ShellError, serve, unix_listener};
use cofferdam_wire::binding::Measurement;

use stage::{Anchors, NOW_MS};

/// A module with at most one defect.
#[derive(Clone, Copy, PartialEq)]
enum Defect {
    NoRandomness,
    SameRandomness,
    NoTime,
    NoMeasurement,
    NoLock,
}

impl Attestor for Defect {
    fn attest(&self, _: &[u8], _: &[u8], _: Option<&[u8]>) -> Result<Vec<u8>, AttestorError> {
        Ok(Vec::new())
    }

    fn now_ms(&self) -> Result<u64, AttestorError> {
        if *self == Defect::NoTime {
            Err(AttestorError::Unreadable)
        } else {
            Ok(NOW_MS)
        }
    }

    fn measurement(&self) -> Result<Measurement, AttestorError> {
        match self {
            Defect::NoMeasurement => Err(AttestorError::Unreadable),
            _ => Ok(Measurement {
                pcr0: [1; 48],
                pcr1: [2; 48],
                pcr2: [3; 48],
            }),
        }
    }

    fn lock_registers(&self) -> Result<(), AttestorError> {
        match self {
            Defect::NoLock => Err(AttestorError::Refused("invalid index")),
            _ => Ok(()),
        }
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), AttestorError> {
        match self {
            Defect::NoRandomness => return Err(AttestorError::Absent),
            Defect::SameRandomness => buffer.fill(7),
            _ => getrandom::fill(buffer).unwrap(),
        }
        Ok(())
    }
}

fn error_of(defect: Defect) -> ShellError {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("link")).unwrap();
    let ready = || panic!("it must not get ready");
    match serve::<Anchors>(Arc::new(defect), listener, ready) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

#[test]
fn ini_7_t31_nothing_starts_without_the_module_s_generator() {
    let error = error_of(Defect::NoRandomness);
    assert!(matches!(
        error,
        ShellError::Entropy(EntropyError::Attestor(AttestorError::Absent))
    ));
}

#[test]
fn ini_7_t31_nothing_starts_with_a_generator_that_repeats_itself() {
    let error = error_of(Defect::SameRandomness);
    assert!(matches!(error, ShellError::Entropy(EntropyError::Stuck)));
}

#[test]
fn ini_8_t15_nothing_starts_without_the_attested_clock() {
    let error = error_of(Defect::NoTime);
    assert!(matches!(
        error,
        ShellError::Attestor(AttestorError::Unreadable)
    ));
}

#[test]
fn ini_8_nothing_starts_without_a_measurement() {
    let error = error_of(Defect::NoMeasurement);
    assert!(matches!(
        error,
        ShellError::Attestor(AttestorError::Unreadable)
    ));
}

#[test]
fn ini_6_nothing_starts_with_registers_that_could_still_be_extended() {
    let error = error_of(Defect::NoLock);
    assert!(matches!(
        error,
        ShellError::Attestor(AttestorError::Refused("invalid index"))
    ));
}

#[test]
fn a_socket_that_an_earlier_process_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("link");
    drop(unix_listener(&path).unwrap());
    let _listener = unix_listener(&path).unwrap();
    assert!(UnixStream::connect(&path).is_ok());
}
