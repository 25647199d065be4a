//! A customer of a running simulator, who works with `coffer` only.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cofferdam::crypto::signing::SigningKey;
use cofferdam_simulator::ready::Ready;
use serde_json::Value;

pub(crate) struct Customer {
    pub(crate) ready: Ready,
    pub(crate) files: PathBuf,
}

/// What came of a command: exit status, stdout, and the error's code on stderr.
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) code: String,
    pub(crate) sentence: String,
}

impl Customer {
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }

    pub(crate) fn coffer<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        self.coffer_with(&self.ready.coffer_config, arguments)
    }

    /// With another configuration.
    pub(crate) fn coffer_with<S: AsRef<OsStr>>(&self, config: &Path, arguments: &[S]) -> Ran {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg("coffer")
            .arg("--json")
            .arg("--config")
            .arg(config)
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

    pub(crate) fn done<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Value {
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

    /// Refused with this code; the sentence.
    pub(crate) fn refused<S: AsRef<OsStr>>(&self, arguments: &[S], code: &str) -> String {
        let ran = self.coffer(arguments);
        assert_eq!(
            (ran.status, ran.code.as_str()),
            (Some(1), code),
            "{:?}: {}",
            shown(arguments),
            ran.sentence
        );
        assert!(ran.sentence.len() > 20, "a code comes with a sentence");
        ran.sentence
    }

    pub(crate) fn import(&self, file: &Path, kind: &str, class: &str) -> Vec<String> {
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

    /// Makes the app's grant, or makes it again.
    pub(crate) fn grant(&self, key: &str, operations: &str) -> String {
        self.grant_with(key, operations, &["--expires", "2099-01-01T00:00:00Z"])
    }

    /// A grant with times or an epoch of its own.
    pub(crate) fn grant_with(&self, key: &str, operations: &str, more: &[&str]) -> String {
        let app = SigningKey::from_pem(&std::fs::read(&self.ready.app_key).unwrap()).unwrap();
        let thumbprint = app.public().thumbprint().to_string();
        let grant = self.file("app.grant");
        let grant = grant.display().to_string();
        let create = [
            "grant",
            "create",
            "--keys",
            key,
            "--ops",
            operations,
            "--app",
            &thumbprint,
            "--out",
            &grant,
        ];
        self.done(&[&create, more].concat());
        grant
    }

    pub(crate) fn operation(
        &self,
        what: &str,
        key: &str,
        with: &str,
        more: &[&str],
    ) -> Vec<String> {
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
}

fn shown<S: AsRef<OsStr>>(arguments: &[S]) -> Vec<String> {
    arguments
        .iter()
        .map(|argument| argument.as_ref().to_string_lossy().into_owned())
        .collect()
}
