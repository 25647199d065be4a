//! `coffer` against `cofferdam-sim up`: a key file goes in, a signature comes out, a revocation stops it; and what bad
//! input gets. This program is both the test and, with `coffer` as its first argument, the command under test.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod customer;
mod running;
mod walk;

use std::process::{Command, ExitCode};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use customer::Customer;
use nix::sys::signal::Signal;
use running::{Simulator, signal, wait};

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
                walk::every_line_of_the_page_is_true();
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
    customer.encrypts_and_needs_no_key();
    bad_input::is_refused(&customer, &key);
    customer.turns_the_switch(&key);
    customer.hears_nothing_of_its_service(&key);
    customer.revokes(&key);
    customer.destroys();
    customer.registers_by_hand();
    let kept = customer.imports();
    assert_eq!(simulator.end(Signal::SIGTERM), Some(0));

    let simulator = Simulator::up(&directory.path().join("sim"));
    assert_eq!(simulator.ready().revocation_url, ready.revocation_url);
    customer.done(&customer.operation("sign", &kept, "--out", &[]));
    customer.refused(&customer.operation("sign", &key, "--out", &[]), "not-found");
    assert_eq!(simulator.end(Signal::SIGTERM), Some(0));
    println!("coffer against cofferdam-sim: ok");
}

impl Customer {
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

    /// With a key of another kind, and without any.
    fn encrypts_and_needs_no_key(&self) {
        let (raw, plain, sealed) = (
            self.file("aes.key"),
            self.file("plain"),
            self.file("sealed"),
        );
        self.done(&[
            "random",
            "--bytes",
            "32",
            "--out",
            &raw.display().to_string(),
        ]);
        let imported = self.done(&self.import(&raw, "aes-256", "encrypt"));
        let id = imported["key"].as_str().unwrap();
        std::fs::write(&plain, "at most 48 KiB").unwrap();
        let work = |what: &str, input: &std::path::Path| {
            let input = input.display().to_string();
            let arguments = [what, "--key", id, "--alg", "xaes-256-gcm", "--in", &input];
            arguments.map(str::to_owned).to_vec()
        };
        let mut encrypt = work("encrypt", &plain);
        encrypt.extend(["--out".to_owned(), sealed.display().to_string()]);
        assert_eq!(self.done(&encrypt)["bytes"], 14 + 40);
        assert_eq!(
            self.done(&work("decrypt", &sealed))["plaintext"],
            "YXQgbW9zdCA0OCBLaUI="
        );
        let mut damaged = std::fs::read(&sealed).unwrap();
        damaged[30] ^= 1;
        std::fs::write(&sealed, damaged).unwrap();
        self.refused(&work("decrypt", &sealed), "operation-failed");
        let hash = self.done(&["hash", "--in", &plain.display().to_string()]);
        let expected = digest(&SHA256, b"at most 48 KiB");
        assert_eq!(hash["hash"], hex::encode(expected).as_str());
        let grant = self.ready.grants[0].display().to_string();
        let random = self.done(&["random", "--bytes", "16", "--grant", &grant]);
        assert_eq!(random["random"].as_str().unwrap().len(), 32);
    }

    /// Suspended and resumed; grants of a lower epoch end, the owner's own go on.
    fn turns_the_switch(&self, key: &str) {
        let grant = self.grant(key, "sign");
        let by_app = self.operation("sign", key, "--out", &["--grant", &grant]);
        let by_owner = self.operation("sign", key, "--out", &[]);
        self.done(&by_app);
        let suspended = self.done(&["revocation", "suspend", key]);
        assert_eq!(suspended[0]["state"], "suspended");
        self.until_refused(&by_app, "suspended");
        self.done(&["revocation", "resume", key]);
        wait("it signs again", || {
            (self.coffer(&by_app).status == Some(0)).then_some(())
        });
        let raised = self.done(&["revocation", "grant-epoch", key, "--set", "1"]);
        assert_eq!(raised[0]["grant_epoch"], 1);
        self.until_refused(&by_app, "grant-expired");
        self.done(&by_owner);
        let lower = ["revocation", "grant-epoch", key, "--set", "0"];
        self.refused(&lower, "out-of-range");
        self.grant_with(
            key,
            "sign",
            &["--expires", "2099-01-01T00:00:00Z", "--epoch", "1"],
        );
        self.done(&by_app);
    }

    /// A service that does not answer is silence: the key stops, and goes on when the service is heard again.
    fn hears_nothing_of_its_service(&self, key: &str) {
        let sign = self.operation("sign", key, "--out", &["--wait", "2"]);
        self.done(&sign);
        signal(self.ready.pids.revocation, Signal::SIGSTOP);
        let sentence = self.until_refused(&sign, "lease-unavailable");
        assert!(sentence.contains("revocation service"), "{sentence}");
        signal(self.ready.pids.revocation, Signal::SIGCONT);
        wait("it signs again", || {
            (self.coffer(&sign).status == Some(0)).then_some(())
        });
    }

    fn revokes(&self, key: &str) {
        let revoke = ["revocation", "revoke", key];
        assert_eq!(self.done(&revoke)[0]["state"], "revoked");
        self.until_refused(&self.operation("sign", key, "--out", &[]), "revoked");
        assert_eq!(self.done(&revoke)[0]["state"], "revoked");
        self.refused(&["revocation", "resume", key], "revoked");
    }

    /// For keys that another program wrapped: a registration of its own, by its handle.
    fn registers_by_hand(&self) {
        let (handle, hash) = ("5c".repeat(16), "8d".repeat(32));
        let release = self.file("release");
        std::fs::write(&release, [7; 32]).unwrap();
        let release = release.display().to_string();
        let register = |hash: &str| {
            let arguments = [
                "revocation",
                "register",
                "--handle",
                &handle,
                "--token-hash",
                hash,
                "--release-file",
                &release,
                "--group",
                &self.ready.group,
            ];
            arguments.map(str::to_owned).to_vec()
        };
        assert_eq!(self.done(&register(&hash))["state"], "pending");
        self.refused(&register(&"8e".repeat(32)), "conflict");
        for (verb, state) in [
            ("status", "pending"),
            ("activate", "active"),
            ("revoke", "revoked"),
        ] {
            let shown = self.done(&["revocation", verb, &handle]);
            assert_eq!(shown[0]["state"], state);
        }
        self.refused(&["revocation", "status", &"5d".repeat(16)], "not-found");
        std::fs::write(&release, [7; 31]).unwrap();
        self.refused(&register(&hash), "file");
    }

    fn destroys(&self) {
        let key = self.imports();
        let destroy = ["key", "destroy", &key, "--yes"];
        assert_eq!(self.done(&destroy)["already"], false);
        assert_eq!(self.done(&destroy)["already"], true);
        let sign = self.operation("sign", &key, "--out", &[]);
        self.refused(&sign, "destroyed");
    }

    /// Waits for the bound to pass; the sentence.
    fn until_refused(&self, arguments: &[String], code: &str) -> String {
        wait("it is refused", || {
            (self.coffer(arguments).status != Some(0)).then_some(())
        });
        self.refused(arguments, code)
    }
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
