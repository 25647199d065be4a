//! The commands that work on the service's own files, and their exit codes.

use std::path::Path;

use cofferdam_revocation_service::Config;
use cofferdam_revocation_service::cli::{Cli, execute};
use cofferdam_revocation_service::clock::Clock;
use cofferdam_revocation_service::registration::Change;
use cofferdam_revocation_service::service::Service;

use crate::nsm::Nsm;
use crate::world::{Key, START_S, config, files, restore};

async fn command(arguments: &[&str]) -> anyhow::Result<u8> {
    let all = std::iter::once("cofferdam-revocation-service").chain(arguments.iter().copied());
    execute(<Cli as clap::Parser>::try_parse_from(all)?).await
}

fn written(config: &Config, dir: &Path) -> String {
    let path = dir.join("config.toml");
    std::fs::write(&path, toml::to_string(config).unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn init_replay_and_verify_log_do_their_work_and_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &Nsm::new(START_S));
    let path = written(&config, dir.path());
    for _ in 0..2 {
        assert_eq!(command(&["init", "--config", &path]).await.unwrap(), 0);
    }
    let backup = files(&config.state_dir);
    let service = Service::open(&config, Clock::system()).await.unwrap();
    let key = Key::new(cofferdam_wire::id::GroupId([1; 32]));
    service.register(key.registration()).await.unwrap();
    service
        .registry()
        .change(key.handle(), Change::Revoke)
        .await
        .unwrap();
    // The directory is in use.
    assert!(command(&["replay", "--config", &path]).await.is_err());
    service.close().await;
    drop(service);

    let log = config.audit_log.to_str().unwrap();
    let public = config.state_dir.join("audit-key.pub");
    let verify = [
        "verify-log",
        "--log",
        log,
        "--key",
        public.to_str().unwrap(),
    ];
    assert_eq!(command(&verify).await.unwrap(), 0);
    assert_eq!(
        command(&[&verify[..], &["--json"]].concat()).await.unwrap(),
        0
    );

    restore(&config.state_dir, &backup);
    assert_eq!(
        command(&["replay", "--config", &path, "--json"])
            .await
            .unwrap(),
        0
    );
    let service = Service::open(&config, Clock::system()).await.unwrap();
    assert!(service.registry().holds().await.is_empty());
    service.close().await;
    drop(service);

    let text = std::fs::read_to_string(log).unwrap();
    std::fs::write(log, text.split_once('\n').unwrap().1).unwrap();
    assert_eq!(
        command(&[&verify[..], &["--quiet"]].concat())
            .await
            .unwrap(),
        1
    );
    assert!(command(&["replay", "--config", &path]).await.is_err());
    std::fs::remove_file(log).unwrap();
    assert!(command(&verify).await.is_err());
}

#[tokio::test]
async fn a_root_kept_offline_certifies_by_command() {
    let (dir, offline) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = offline.path().join("root.pem");
    let root = root.to_str().unwrap();
    assert_eq!(command(&["new-root", "--out", root]).await.unwrap(), 0);
    assert!(command(&["new-root", "--out", root]).await.is_err());
    let public = cofferdam_revocation_service::keyring::read_root(Path::new(root))
        .unwrap()
        .unwrap()
        .public();

    let mut config = config(dir.path(), &Nsm::new(START_S));
    config.status_root = Some(hex::encode(public.to_cose()));
    let path = written(&config, dir.path());
    assert_eq!(command(&["init", "--config", &path]).await.unwrap(), 0);
    let next = config.state_dir.join("keys/next");
    let next = next.to_str().unwrap();
    let certify = ["certify", "--root", root, "--request", next, "--out", next];
    assert!(
        command(&[&certify[..], &["--days", "8"]].concat())
            .await
            .is_err()
    );
    assert_eq!(command(&certify).await.unwrap(), 0);
    let service = Service::open(&config, Clock::system()).await.unwrap();
    assert!(service.readiness().await.is_ok());
    assert_eq!(service.keyring().root(), public);
    service.close().await;
}

#[tokio::test]
async fn the_shipped_binary_serves_and_ends_on_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &Nsm::new(START_S));
    let path = written(&config, dir.path());
    let mut child =
        tokio::process::Command::new(env!("CARGO_BIN_EXE_cofferdam-revocation-service"))
            .args(["serve", "--config", &path])
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
    let ready = config.state_dir.join("ready.json");
    while !ready.exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it was ready"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let pid = child.id().unwrap().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert!(!ready.exists());
}

#[tokio::test]
async fn a_port_in_use_is_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(dir.path(), &Nsm::new(START_S));
    config.listen = taken.local_addr().unwrap();
    let path = written(&config, dir.path());
    let before = files(dir.path());
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_cofferdam-revocation-service"))
        .args(["serve", "--config", &path])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let sentence = format!("cannot listen on {}: Address already in use", config.listen);
    assert!(said.contains(&sentence), "{said}");
    assert_eq!(files(dir.path()), before);
}
