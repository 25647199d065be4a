//! What a person or program is told when a command fails: a code and a sentence.

use cofferdam_wire::Code;
use serde_json::{Map, Value};

use crate::config::ConfigError;
use crate::files::FileError;
use crate::grant::GrantError;
use crate::import::{ImportError, StoreError};
use crate::keyfile::KeyFileError;
use crate::known::KnownError;
use crate::receipt::ReceiptError;
use crate::revocation::TokenError;
use crate::session::SessionError;
use crate::transport::{CallError, ClientError};
use crate::trust::TrustError;
use crate::verify::ProofError;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    code: String,
    number: Option<u16>,
    sentence: String,
    explanation: Option<Box<Explanation>>,
}

/// What more there is to say.
#[derive(Debug)]
struct Explanation {
    /// For programs, beside the code.
    members: Map<String, Value>,
    /// For people, below the sentence.
    text: String,
}

impl Failure {
    pub(super) fn new(code: &str, sentence: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            number: None,
            sentence: sentence.into(),
            explanation: None,
        }
    }

    /// With more to say: members beside the code for programs, and the same as text.
    pub(super) fn explained(self, members: Map<String, Value>, text: String) -> Self {
        Self {
            explanation: Some(Box::new(Explanation { members, text })),
            ..self
        }
    }

    fn of(code: Option<Code>, otherwise: &str, sentence: &dyn std::fmt::Display) -> Self {
        Self {
            code: code.map_or(otherwise, |code| code.slug()).to_owned(),
            number: code.map(Code::number),
            sentence: sentence.to_string(),
            explanation: None,
        }
    }

    /// A refusal of the protocol that this machine could foresee, in words of its own.
    pub(super) fn refusal(code: Code, sentence: impl std::fmt::Display) -> Self {
        let (slug, number) = (code.slug(), code.number());
        Self {
            number: Some(number),
            ..Self::new(slug, format!("{sentence} ({slug}, code {number})"))
        }
    }

    /// The same failure, and what was done in spite of it.
    pub(super) fn after(mut self, done: &str) -> Self {
        self.sentence = format!("{}; {done}", self.sentence);
        self
    }

    /// The sentence for people, with the code in it once: many sentences name it themselves.
    fn line(&self) -> String {
        let Self { code, sentence, .. } = self;
        let (named, name) = match self.number {
            Some(number) => {
                let name = format!("({code}, code {number})");
                (sentence.contains(&name), name)
            }
            // The id of a check is in no sentence by accident.
            None => {
                let is_check = code.contains(char::is_uppercase);
                let named = is_check && sentence.contains(&format!("{code}:"));
                (named, format!("[{code}]"))
            }
        };
        if named {
            sentence.clone()
        } else {
            format!("{sentence} {name}")
        }
    }

    /// To stderr, so that stdout holds results only.
    pub(super) fn print(&self, json: bool) {
        if json {
            let mut error = serde_json::json!({
                "error": { "code": self.code, "number": self.number, "sentence": self.sentence }
            });
            if let (Some(explanation), Some(error)) =
                (&self.explanation, error["error"].as_object_mut())
            {
                error.extend(explanation.members.clone());
            }
            eprintln!("{error}");
        } else {
            eprintln!("coffer: {}", self.line());
            if let Some(explanation) = &self.explanation {
                eprintln!("{}", explanation.text.trim_end());
            }
        }
    }
}

macro_rules! failures {
    ($($error:ty => $code:literal;)*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::new($code, error.to_string())
            }
        }
    )*};
}

failures! {
    ConfigError => "config";
    TrustError => "trust-file";
    FileError => "file";
    KnownError => "state";
    StoreError => "state";
    KeyFileError => "key-file";
    TokenError => "token";
    ClientError => "address";
    GrantError => "grant";
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        Failure::new(error.check(), error.to_string())
    }
}

impl From<ReceiptError> for Failure {
    fn from(error: ReceiptError) -> Self {
        Failure::new(error.check(), error.to_string())
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Failure::of(error.code(), "answer", &error)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Proof(error) => error.into(),
            error => Failure::of(error.code(), "session", &error),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Proof(error) => error.into(),
            ImportError::Refused(code) => Failure::of(Some(code), "", &error),
            ImportError::Receipt { ref reason, .. } => {
                Failure::new(reason.check(), error.to_string())
            }
            ImportError::Register { ref reason, .. }
            | ImportError::Send { ref reason, .. }
            | ImportError::Activate { ref reason, .. } => {
                Failure::of(reason.code(), "answer", &error)
            }
            ImportError::Possession(_) => Failure::new("possession", error.to_string()),
            ImportError::Wrap(_) | ImportError::NoRegistrar(_) => {
                Failure::new("order", error.to_string())
            }
            ImportError::Store(error) => error.into(),
        }
    }
}
