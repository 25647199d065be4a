//! `cofferdam-sim up`: ready.json, restarts, the end, and bad input.
#![allow(clippy::unwrap_used, reason = "tests")]

mod running;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use cofferdam::crypto::signing::SigningKey;
use cofferdam::known::Known;
use cofferdam::session::Session;
use cofferdam::transport::Client;
use cofferdam::trust::Trust;
use cofferdam::verify::Verifier;
use cofferdam_simulator::ready::Ready;
use cofferdam_wire::session::SignedGrant;
use nix::sys::signal::Signal;
use running::{Simulator, is_alive, program, signal, wait};

/// Opens a session under the grant of ready.json and draws random bytes in the enclave.
fn use_it(ready: &Ready) -> Result<usize, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let trust = Trust::read(&ready.trust_file).unwrap();
        let client = Client::new(&ready.parent_url, trust.provider_ca()).unwrap();
        let verifier = Arc::new(Verifier::new(trust, Known::in_memory()));
        let grant = SignedGrant(std::fs::read(&ready.grants[0]).unwrap());
        let app = SigningKey::from_pem(&std::fs::read(&ready.app_key).unwrap()).unwrap();
        let session = Session::open(client, verifier, vec![grant], app)
            .await
            .map_err(|error| error.to_string())?;
        session
            .random(16)
            .await
            .map(|bytes| bytes.len())
            .map_err(|error| error.to_string())
    })
}

fn children(ready: &Ready) -> [u32; 3] {
    [ready.pids.enclave, ready.pids.parent, ready.pids.revocation]
}

#[test]
fn up_is_ready_restarts_its_enclave_ends_with_sigterm_and_is_taken_up_again() {
    let directory = tempfile::tempdir().unwrap();
    let simulator = Simulator::up(directory.path());
    let ready = simulator.ready();
    assert!(children(&ready).into_iter().all(is_alive));
    assert_eq!(use_it(&ready), Ok(16));
    for file in [
        &ready.owner_key,
        &ready.app_key,
        &ready.revocation_admin_token_file,
        &ready.operator_token_file,
    ] {
        assert_eq!(
            std::fs::metadata(file).unwrap().permissions().mode() & 0o077,
            0,
            "{}",
            file.display()
        );
    }

    signal(ready.pids.enclave, Signal::SIGKILL);
    let again = wait("another enclave", || {
        Some(simulator.ready()).filter(|now| now.pids.enclave != ready.pids.enclave)
    });
    assert_eq!(
        Ready {
            pids: ready.pids.clone(),
            ..again.clone()
        },
        ready
    );
    wait("the enclave is back in its group", || use_it(&again).ok());

    let running = program()
        .arg("up")
        .arg("--dir")
        .arg(directory.path())
        .output()
        .unwrap();
    assert_eq!(running.status.code(), Some(1));
    assert!(
        String::from_utf8(running.stderr)
            .unwrap()
            .contains("in use by another cofferdam-sim")
    );

    assert_eq!(simulator.end(Signal::SIGTERM), Some(0));
    assert!(!children(&again).into_iter().any(is_alive));
    assert!(!directory.path().join("ready.json").exists());

    let simulator = Simulator::up(directory.path());
    let taken_up = simulator.ready();
    assert_eq!(
        (&taken_up.group, &taken_up.owner_key),
        (&ready.group, &ready.owner_key)
    );
    assert_eq!(use_it(&taken_up), Ok(16));
    assert_eq!(simulator.end(Signal::SIGINT), Some(0));
}

#[test]
fn killed_without_warning_it_leaves_no_process_behind() {
    let directory = tempfile::tempdir().unwrap();
    let simulator = Simulator::up(directory.path());
    let ready = simulator.ready();
    assert_eq!(simulator.end(Signal::SIGKILL), None);
    wait("the processes are gone", || {
        (!children(&ready).into_iter().any(is_alive)).then_some(())
    });
}

#[test]
fn a_service_that_dies_ends_the_simulator_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let simulator = Simulator::up(directory.path());
    let ready = simulator.ready();
    signal(ready.pids.revocation, Signal::SIGKILL);
    wait("the processes are gone", || {
        (!children(&ready).into_iter().any(is_alive)).then_some(())
    });
    wait("it has ended", || {
        (!is_alive(ready.pids.simulator)).then_some(())
    });
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for option in ["--port-parent", "--port-operator", "--port-revocation"] {
        let directory = tempfile::tempdir().unwrap();
        let output = program()
            .arg("up")
            .arg("--dir")
            .arg(directory.path())
            .args([option, &port])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains(&format!("port {port} ({option}) is already in use")),
            "{said}"
        );
        assert_eq!(
            std::fs::read_dir(directory.path().join("logs"))
                .unwrap()
                .count(),
            0
        );
    }
}

#[test]
fn usage_errors_have_a_code_of_their_own() {
    for arguments in [
        &["up"][..],
        &["up", "--dir", "x", "--port-parent", "70000"],
        &["down"],
        &[],
    ] {
        assert_eq!(
            program().args(arguments).output().unwrap().status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_directory_that_cannot_be_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = program()
        .arg("up")
        .arg("--dir")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("file"));
    let long = directory.path().join("x".repeat(100));
    let output = program()
        .arg("up")
        .arg("--dir")
        .arg(&long)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("too long a path for a Unix socket")
    );
}

fn up(directory: &Path) -> (Option<i32>, String) {
    let output = program().arg("up").arg("--dir").arg(directory).output();
    let output = output.unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_directory_of_somebody_else_is_refused_and_nothing_in_it_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, PermissionsExt::from_mode(0o755)).unwrap();
    // Names that the simulator uses itself do not make it one of its own.
    std::fs::write(home.join("lock"), "mine").unwrap();
    std::fs::create_dir(home.join("logs")).unwrap();
    let seen = || {
        let entries = std::fs::read_dir(&home).unwrap();
        let names: BTreeSet<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        (
            names,
            std::fs::metadata(&home).unwrap().permissions().mode(),
        )
    };
    let before = seen();
    let (status, said) = up(&home);
    assert_eq!(status, Some(1));
    assert!(
        said.contains("not empty") && said.contains("nothing in it was touched"),
        "{said}"
    );
    assert_eq!(seen(), before);
    assert_eq!(std::fs::read_to_string(home.join("lock")).unwrap(), "mine");

    // The same with the one difference that it is the simulator's own: it goes on, to a file that is damaged.
    let own = directory.path().join("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("cofferdam-sim.directory"), "").unwrap();
    std::fs::write(own.join("ports.json"), "damaged").unwrap();
    let (status, said) = up(&own);
    assert_eq!(status, Some(1));
    assert!(said.contains("ports.json"), "{said}");
}

/// The page and the type name the same fields.
#[test]
fn the_documented_schema_is_the_written_one() {
    let page = include_str!("../../docs/operating/simulator.md");
    let documented: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(field, _)| field.to_owned())
        .collect();
    let path = || "/x".into();
    let text = || "x".to_owned();
    let ready = Ready {
        version: 1,
        parent_url: text(),
        provider_ca: path(),
        operator_url: text(),
        operator_token_file: path(),
        revocation_url: text(),
        revocation_ca: path(),
        revocation_status_root: text(),
        revocation_registrar_token_file: path(),
        revocation_admin_token_file: path(),
        trust_file: path(),
        coffer_config: path(),
        owner_key: path(),
        app_key: path(),
        grants: vec![path()],
        partition: text(),
        group: text(),
        sockets: cofferdam_simulator::ready::Sockets { enclave: path() },
        pids: cofferdam_simulator::ready::Pids {
            simulator: 1,
            enclave: 2,
            parent: 3,
            revocation: 4,
        },
    };
    let mut written = BTreeSet::new();
    for (name, value) in serde_json::to_value(ready).unwrap().as_object().unwrap() {
        match value.as_object() {
            Some(inner) => written.extend(inner.keys().map(|below| format!("{name}.{below}"))),
            None => drop(written.insert(name.clone())),
        }
    }
    assert_eq!(documented, written);
}
