//! Starting, stopping and dying: in process, and as the real binary.

use crate::enclave::Enclave;
use crate::parent::{
    Parent, client, config_text, outcome, ready, write_provider_keys, write_statement,
};
use crate::stream::{Stream, sealed};
use cofferdam_wire::cbor;
use cofferdam_wire::group::RecoverRequest;
use cofferdam_wire::limits;
use cofferdam_wire::link::{Message, Reply};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A child that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_cofferdam-parent-proxy"))
            .arg("--config")
            .arg(directory.join("config.toml"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id() as i32), signal).unwrap();
    }

    async fn end(&mut self) -> std::process::ExitStatus {
        for _ in 0..2000 {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the process did not end");
    }
}

fn prepare(enclave: &Enclave, directory: &Path) {
    write_statement(directory);
    write_provider_keys(directory);
    std::fs::write(
        directory.join("config.toml"),
        config_text(directory, &enclave.address(), "admit = \"all\""),
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_streams_under_way_are_finished_before_the_end() {
    let mut parent = Parent::start().await;
    parent.enclave.gate(false);
    let mut stream = Stream::open(&parent).await;
    stream.send((0..10).map(|id| sealed(id, vec![1]))).await;
    let (http, url) = (parent.http.clone(), format!("{}/v1/requests", parent.url));
    let waiting =
        tokio::spawn(
            async move { outcome(http.post(url).body(vec![3]).send().await.unwrap()).await },
        );
    parent.enclave.wait_for(Message::Sealed, 11).await;
    let stopping = parent.begin_stop();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!stopping.is_finished());
    assert!(
        parent.connect().await.is_err(),
        "no new connection is taken"
    );
    parent.enclave.gate(true);
    assert_eq!(waiting.await.unwrap().unwrap(), vec![3]);
    for _ in 0..10 {
        assert_eq!(stream.next().await.unwrap().1, Reply::Done(vec![1]));
    }
    assert_eq!(stream.next().await, None);
    tokio::time::timeout(Duration::from_secs(10), stopping)
        .await
        .unwrap()
        .unwrap();
    assert!(!parent.directory.path().join("state/ready.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_what_is_under_way_and_exits_with_zero() {
    let directory = tempfile::tempdir().unwrap();
    let enclave = Enclave::start(directory.path());
    prepare(&enclave, directory.path());
    let mut process = Process::start(directory.path(), &["run"]);
    let ready = ready(directory.path()).await;
    let http = client(Path::new(ready["ca_file"].as_str().unwrap()));
    let url = ready["url"].as_str().unwrap().to_owned();
    enclave.gate(false);
    enclave.wait_for(Message::Health, 0).await;
    while http
        .get(format!("{url}/readyz"))
        .send()
        .await
        .unwrap()
        .status()
        != 200
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let request = http.post(format!("{url}/v1/requests")).body(vec![5]);
    let waiting = tokio::spawn(async move { outcome(request.send().await.unwrap()).await });
    enclave.wait_for(Message::Sealed, 1).await;
    process.signal(Signal::SIGTERM);
    tokio::time::sleep(Duration::from_millis(200)).await;
    enclave.gate(true);
    assert_eq!(waiting.await.unwrap().unwrap(), vec![5]);
    assert_eq!(process.end().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn t21_a_genesis_record_survives_sigkill_and_goes_to_the_enclave_again() {
    let directory = tempfile::tempdir().unwrap();
    let enclave = Enclave::start(directory.path());
    prepare(&enclave, directory.path());
    let mut process = Process::start(directory.path(), &[]);
    let state = ready(directory.path()).await;
    let http = client(Path::new(state["ca_file"].as_str().unwrap()));
    let token = std::fs::read_to_string(state["operator_token_file"].as_str().unwrap()).unwrap();
    let url = format!(
        "{}/v1/operator/genesis",
        state["operator_url"].as_str().unwrap()
    );
    while outcome(
        http.post(&url)
            .bearer_auth(&token)
            .body(vec![1])
            .send()
            .await
            .unwrap(),
    )
    .await
    .is_err()
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = std::fs::read(state["ca_file"].as_str().unwrap()).unwrap();
    process.signal(Signal::SIGKILL);
    process.end().await;
    std::fs::remove_file(directory.path().join("state/ready.json")).unwrap();

    let _again = Process::start(directory.path(), &[]);
    let state = ready(directory.path()).await;
    enclave.wait_for(Message::Recover, 1).await;
    let request: RecoverRequest =
        cbor::decode(&enclave.asked(Message::Recover)[0], limits::FRAME_BODY).unwrap();
    assert_eq!(request.genesis, crate::enclave::genesis().record);
    assert_eq!(
        std::fs::read(state["ca_file"].as_str().unwrap()).unwrap(),
        before,
        "the CA stays"
    );
    // The new certificate is under the old CA.
    let health = client(Path::new(state["ca_file"].as_str().unwrap()))
        .get(format!("{}/healthz", state["url"].as_str().unwrap()))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_config_names_what_is_wrong_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let enclave = Enclave::start(directory.path());
    prepare(&enclave, directory.path());
    std::fs::remove_dir_all(directory.path().join("state")).unwrap();
    assert_eq!(
        Process::start(directory.path(), &["check-config"])
            .end()
            .await
            .code(),
        Some(0)
    );
    assert!(!directory.path().join("state").exists());
    std::fs::remove_file(directory.path().join("statement")).unwrap();
    assert_eq!(
        Process::start(directory.path(), &["check-config"])
            .end()
            .await
            .code(),
        Some(1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named_and_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let enclave = Enclave::start(directory.path());
    prepare(&enclave, directory.path());
    std::fs::remove_dir_all(directory.path().join("state")).unwrap();
    let config = directory.path().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for setting in ["listen", "operator_listen"] {
        let free = format!("\n{setting} = \"127.0.0.1:0\"");
        let used = format!("\n{setting} = \"{address}\"");
        let text = format!("\n{text}");
        assert!(text.contains(&free));
        std::fs::write(&config, text.replace(&free, &used)).unwrap();
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_cofferdam-parent-proxy"))
            .args(["--config", config.to_str().unwrap(), "run"])
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{setting}: {said}");
        let sentence = format!("cannot listen on {address}: Address already in use");
        assert!(said.contains(&sentence), "{setting}: {said}");
        assert!(!directory.path().join("state").exists(), "{setting}");
    }
}
