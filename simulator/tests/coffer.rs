//! `coffer` against `cofferdam-sim up`: a key file goes in, a signature comes out, a revocation stops it; and what bad
//! input gets. This program is both the test and, with `coffer` as its first argument, the command under test.
#![allow(clippy::unwrap_used, reason = "tests")]

mod running;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam_simulator::ready::Ready;
use nix::sys::signal::Signal;
use running::Simulator;
use serde_json::Value;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(first) if first == "coffer" => cofferdam::cli::run(std::env::args_os().skip(1)),
        // What test runners ask for.
        Some(first) if first == "--list" => ExitCode::SUCCESS,
        filter => {
            if filter.is_none_or(|filter| {
                filter.to_string_lossy().starts_with('-')
                    || filter.to_string_lossy().contains("coffer")
            }) {
                against_the_simulator();
            }
            ExitCode::SUCCESS
        }
    }
}

fn against_the_simulator() {
    let directory = tempfile::tempdir().unwrap();
    let simulator = Simulator::up(&directory.path().join("sim"));
    let ready = simulator.ready();
    let customer = Customer {
        ready: ready.clone(),
        files: directory.path().to_path_buf(),
    };
    customer.trusts();
    let key = customer.imports();
    customer.signs(&key);
    customer.is_refused(&key);
    customer.revokes(&key);
    let kept = customer.imports();
    assert_eq!(simulator.end(Signal::SIGTERM), Some(0));

    let simulator = Simulator::up(&directory.path().join("sim"));
    assert_eq!(simulator.ready().revocation_url, ready.revocation_url);
    customer.done(&customer.operation("sign", &kept, "--out", &[]));
    customer.refused(&customer.operation("sign", &key, "--out", &[]), "not-found");
    assert_eq!(simulator.end(Signal::SIGTERM), Some(0));
    println!("coffer against cofferdam-sim: ok");
}

struct Customer {
    ready: Ready,
    files: PathBuf,
}

/// What came of a command: exit status, stdout, and the error's code on stderr.
struct Ran {
    status: Option<i32>,
    stdout: Vec<u8>,
    code: String,
    sentence: String,
}

impl Customer {
    fn file(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }

    fn coffer<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg("coffer")
            .arg("--json")
            .arg("--config")
            .arg(&self.ready.coffer_config)
            .args(arguments);
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        // Progress comes before it.
        let error = stderr
            .split(|byte| *byte == b'\n')
            .rfind(|line| !line.is_empty())
            .unwrap_or_default();
        let error: Value = serde_json::from_slice(error).unwrap_or_default();
        let text = |field: &str| {
            error["error"][field]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        Ran {
            status: status.code(),
            stdout,
            code: text("code"),
            sentence: text("sentence"),
        }
    }

    fn done<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Value {
        let ran = self.coffer(arguments);
        assert_eq!(
            ran.status,
            Some(0),
            "{:?}: {} {}",
            shown(arguments),
            ran.code,
            ran.sentence
        );
        if ran.stdout.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&ran.stdout).unwrap()
        }
    }

    fn refused<S: AsRef<OsStr>>(&self, arguments: &[S], code: &str) {
        let ran = self.coffer(arguments);
        assert_eq!(
            (ran.status, ran.code.as_str()),
            (Some(1), code),
            "{:?}: {}",
            shown(arguments),
            ran.sentence
        );
        assert!(ran.sentence.len() > 20, "a code comes with a sentence");
    }

    fn trusts(&self) {
        let proof = self.done(&["trust", "verify"]);
        assert_eq!(proof["group"], self.ready.group.as_str(), "{proof}");
        assert!(self.done(&["trust", "show"]).is_object());
    }

    /// Gives the key's id.
    fn imports(&self) -> String {
        let pem = self.file("rsa.pem");
        std::fs::write(&pem, rsa_pem()).unwrap();
        let imported = self.done(&self.import(&pem, "rsa-3072", "sign"));
        assert_eq!(imported["state"], "imported");
        assert_eq!(imported["interval_s"], 5);
        std::fs::write(
            self.file("rsa.pub.pem"),
            imported["public_key"].as_str().unwrap(),
        )
        .unwrap();
        let id = imported["key"].as_str().unwrap().to_owned();
        let listed = self.done(&["key", "list"]);
        assert!(
            listed
                .as_array()
                .unwrap()
                .iter()
                .any(|row| row["key"] == id.as_str()),
            "{listed}"
        );
        let registered = self.done(&["revocation", "list"]);
        assert!(
            registered
                .as_array()
                .unwrap()
                .iter()
                .any(|row| row["state"] == "active"),
            "{registered}"
        );
        id
    }

    fn import(&self, file: &Path, kind: &str, class: &str) -> Vec<String> {
        let file = file.display().to_string();
        let (partition, url) = (&self.ready.partition, &self.ready.revocation_url);
        let arguments = [
            "key",
            "import",
            "--in",
            &file,
            "--kind",
            kind,
            "--use",
            class,
            "--partition",
            partition,
            "--revocation",
            url,
            "--interval",
            "5",
        ];
        arguments.map(str::to_owned).to_vec()
    }

    fn signs(&self, key: &str) {
        std::fs::write(self.file("message"), "Pay 100 to Alice.").unwrap();
        let grant = self.grant(key, "sign,verify");
        self.done(&self.operation("sign", key, "--out", &["--grant", &grant]));
        assert_eq!(
            self.done(&self.operation("verify", key, "--signature", &[]))["valid"],
            true
        );
        self.openssl_agrees();
    }

    /// Makes the app's grant, or makes it again.
    fn grant(&self, key: &str, operations: &str) -> String {
        let app = SigningKey::from_pem(&std::fs::read(&self.ready.app_key).unwrap()).unwrap();
        let thumbprint = app.public().thumbprint().to_string();
        let grant = self.file("app.grant");
        // Nothing is overwritten by coffer.
        let _ = std::fs::remove_file(&grant);
        let grant = grant.display().to_string();
        self.done(&[
            "grant",
            "create",
            "--keys",
            key,
            "--ops",
            operations,
            "--app",
            &thumbprint,
            "--expires",
            "2099-01-01T00:00:00Z",
            "--out",
            &grant,
        ]);
        grant
    }

    fn operation(&self, what: &str, key: &str, with: &str, more: &[&str]) -> Vec<String> {
        let (message, signature) = (self.file("message"), self.file("signature"));
        let (message, signature) = (
            message.display().to_string(),
            signature.display().to_string(),
        );
        let own = [
            what,
            "--key",
            key,
            "--alg",
            "rsa-pss-sha256",
            "--in",
            &message,
            with,
            &signature,
        ];
        own.iter()
            .chain(more)
            .map(|argument| (*argument).to_owned())
            .collect()
    }

    fn openssl_agrees(&self) {
        let mut openssl = Command::new("openssl");
        openssl.args([
            "dgst",
            "-sha256",
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:32",
            "-verify",
        ]);
        openssl
            .arg(self.file("rsa.pub.pem"))
            .arg("-signature")
            .arg(self.file("signature"))
            .arg(self.file("message"));
        match openssl.output() {
            Ok(output) => assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(error) => eprintln!("SKIPPED: no openssl command here ({error})"),
        }
    }

    /// Each with a code, and nothing has changed afterwards.
    fn is_refused(&self, key: &str) {
        let listed = self.done(&["revocation", "list"]);
        let garbage = self.file("garbage.pem");
        std::fs::write(
            &garbage,
            "-----BEGIN PRIVATE KEY-----\nnot base64\n-----END PRIVATE KEY-----\n",
        )
        .unwrap();
        self.refused(&self.import(&garbage, "rsa-3072", "sign"), "key-file");
        self.refused(
            &self.import(&self.file("absent.pem"), "rsa-3072", "sign"),
            "file",
        );
        self.refused(
            &self.import(&self.file("rsa.pem"), "ec-p256", "sign"),
            "key-file",
        );
        self.refused(
            &self.import(&self.file("rsa.pem"), "rsa-3072", "mac"),
            "order",
        );
        let mut elsewhere = self.operation("sign", key, "--out", &[]);
        elsewhere.extend(["--url".to_owned(), "https://127.0.0.1:1".to_owned()]);
        self.refused(&elsewhere, "unreachable");
        self.refused(
            &self.operation("encrypt", key, "--out", &[]),
            "usage-refused",
        );
        let unknown = "ab".repeat(32);
        self.refused(
            &self.operation(
                "sign",
                &unknown,
                "--out",
                &["--partition", &self.ready.partition],
            ),
            "not-found",
        );
        let other = self.file("other.pem");
        std::fs::write(
            &other,
            SigningKey::generate(SignatureKind::Ed25519)
                .to_pkcs8_pem()
                .as_bytes(),
        )
        .unwrap();
        let (grant, other) = (
            self.file("app.grant").display().to_string(),
            other.display().to_string(),
        );
        let by_another = self.operation(
            "sign",
            key,
            "--out",
            &["--grant", &grant, "--app-key", &other],
        );
        self.refused(&by_another, "session-refused");
        self.grant(key, "verify");
        self.refused(
            &self.operation("sign", key, "--out", &["--grant", &grant]),
            "not-permitted",
        );
        assert_eq!(self.done(&["revocation", "list"]), listed);
        assert_eq!(self.coffer(&["key", "import"]).status, Some(2));
    }

    fn revokes(&self, key: &str) {
        assert_eq!(
            self.done(&["revocation", "revoke", key])[0]["state"],
            "revoked"
        );
        let returned = Instant::now();
        let sign = self.operation("sign", key, "--out", &[]);
        while self.coffer(&sign).status == Some(0) {
            assert!(
                returned.elapsed() < Duration::from_secs(60),
                "the key still signs"
            );
        }
        self.refused(&sign, "revoked");
        self.refused(&["revocation", "resume", key], "revoked");
    }
}

fn shown<S: AsRef<OsStr>>(arguments: &[S]) -> Vec<String> {
    arguments
        .iter()
        .map(|argument| argument.as_ref().to_string_lossy().into_owned())
        .collect()
}

fn rsa_pem() -> String {
    let key = KeyPair::generate(KeySize::Rsa3072).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let document = pkcs8::SecretDocument::try_from(der.as_ref()).unwrap();
    document
        .to_pem("PRIVATE KEY", pkcs8::LineEnding::LF)
        .unwrap()
        .to_string()
}
