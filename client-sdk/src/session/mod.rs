//! Sessions: an app's way to its keys, through a provider that sees none of it.
//!
//! A session verifies the enclave first (PRF-1 to PRF-17, PRF-20 to PRF-26), seals its opening to the session key of that proof, and from
//! then on every request and answer. It renews itself: when the ticket ends or an enclave no longer knows it, the whole
//! proof is made again and the request is sent once more, which is harmless for every operation. Many requests may be in
//! flight at once. Check ids SES-1 to SES-4: `docs/protocol/session.md`.

mod opening;
mod operations;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cofferdam_wire::operation::{Operation, Outcome};
use cofferdam_wire::session::{Answer, SignedGrant};
use cofferdam_wire::{Code, limits};

pub use opening::{Opened, Opening, SealedCall};

use crate::crypto::hpke::HpkeError;
use crate::crypto::signing::SigningKey;
use crate::transport::{CallError, Parent};
use crate::verify::{FreshNonce, ProofError, Proven, Verifier};

/// How long an operation may take when the caller says nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a deadline stays below the protocol's limit, for the way and for clocks that do not run alike.
const MARGIN_MS: u64 = 5_000;

/// Why an operation gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The enclave's proof was refused; no session was opened.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The other side refused or could not be reached.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The enclave refused the operation.
    #[error("{} ({}, code {})", .0.sentence(), .0.slug(), .0.number())]
    Refused(Code),
    /// SES-1 or SES-2: what came back was not sealed by the enclave for this request.
    #[error(
        "{check}: the {what} was not made by the enclave for this request; somebody on the way exchanged it"
    )]
    Foreign {
        /// SES-1 for an acceptance, SES-2 for an answer.
        check: &'static str,
        /// Which.
        what: &'static str,
    },
    /// SES-3: the enclave answered something that this operation cannot give.
    #[error(
        "SES-3: the enclave's answer is not one to this operation; compare the versions of both sides"
    )]
    Outcome,
    /// A number of grants that no session takes.
    #[error("a session takes 1 to 4 grants, and {0} were given")]
    Grants(usize),
    /// More data than one request carries.
    #[error("one operation takes at most {limit} bytes of {what}")]
    TooLarge {
        /// Data, additional data or random data.
        what: &'static str,
        /// The most.
        limit: usize,
    },
    /// The session key of the proof cannot be sealed to.
    #[error("the enclave's session key is refused: {0}")]
    SessionKey(HpkeError),
    /// A system clock before 1970.
    #[error("this machine's clock is not set")]
    Clock,
}

impl SessionError {
    /// The code, where one is known.
    pub fn code(&self) -> Option<Code> {
        match self {
            SessionError::Refused(code) => Some(*code),
            SessionError::Call(error) => error.code(),
            SessionError::Proof(_) => Some(Code::EvidenceRefused),
            SessionError::TooLarge { .. } => Some(Code::TooLarge),
            _ => None,
        }
    }
}

/// An app's session over a parent.
pub struct Session<P> {
    parent: P,
    verifier: Arc<Verifier>,
    grants: Vec<SignedGrant>,
    app: SigningKey,
    patience: Duration,
    current: tokio::sync::Mutex<Arc<Live>>,
}

/// An accepted session and when, by this machine's monotonic clock, its opening was sent.
struct Live {
    opened: Opened,
    sent: Instant,
}

impl<P: Parent> Session<P> {
    /// Verifies the enclave and opens a session for `app` under 1 to 4 grants.
    pub async fn open(
        parent: P,
        verifier: Arc<Verifier>,
        grants: Vec<SignedGrant>,
        app: SigningKey,
    ) -> Result<Self, SessionError> {
        let live = Live::open(&parent, &verifier, &grants, &app).await?;
        let current = tokio::sync::Mutex::new(Arc::new(live));
        Ok(Self {
            parent,
            verifier,
            grants,
            app,
            patience: PATIENCE,
            current,
        })
    }

    /// Lets operations take so long (at most 115 s), for example to wait for a lease.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The parent that the session goes over.
    pub fn parent(&self) -> &P {
        &self.parent
    }

    /// Does one operation; there is a method for each kind as well.
    pub async fn call(&self, operation: &Operation) -> Result<Outcome, SessionError> {
        let live = self.live(None).await?;
        match self.call_in(&live, operation).await {
            // SES-4: the ticket is over, or was sealed by keys that are gone. A new one is opened, once.
            Err(error) if error.code() == Some(Code::SessionRefused) => {
                let renewed = self.live(Some(&live)).await?;
                self.call_in(&renewed, operation).await
            }
            result => result,
        }
    }

    async fn call_in(&self, live: &Live, operation: &Operation) -> Result<Outcome, SessionError> {
        let patience_ms = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
        let deadline_ms = live.now_ms() + patience_ms.min(limits::DEADLINE_MAX_MS - MARGIN_MS);
        let call = live.opened.seal(operation, deadline_ms)?;
        let sealed = self.parent.call(call.body().to_vec()).await?;
        match call.open(&sealed)? {
            Answer::Done(outcome) => Ok(outcome),
            Answer::Refused(code) => Err(SessionError::Refused(code)),
        }
    }

    /// The current session; another one than `refused` if that is given, and never one whose ticket is over.
    async fn live(&self, refused: Option<&Arc<Live>>) -> Result<Arc<Live>, SessionError> {
        let mut current = self.current.lock().await;
        let same = refused.is_some_and(|refused| Arc::ptr_eq(refused, &current));
        if same || current.is_over() {
            *current =
                Arc::new(Live::open(&self.parent, &self.verifier, &self.grants, &self.app).await?);
        }
        Ok(Arc::clone(&current))
    }
}

impl Live {
    async fn open(
        parent: &impl Parent,
        verifier: &Verifier,
        grants: &[SignedGrant],
        app: &SigningKey,
    ) -> Result<Self, SessionError> {
        let proven = prove(parent, verifier).await?;
        let opening = Opening::new(&proven, grants, app)?;
        let sent = Instant::now();
        let sealed = parent.open_session(opening.body().to_vec()).await?;
        Ok(Self {
            opened: opening.accept(&sealed)?,
            sent,
        })
    }

    /// The enclave's time, or a little later: it accepted after the opening was sent.
    fn now_ms(&self) -> u64 {
        let elapsed_ms = u64::try_from(self.sent.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.opened.accepted_ms().saturating_add(elapsed_ms)
    }

    fn is_over(&self) -> bool {
        self.now_ms() / 1000 >= self.opened.not_after_s()
    }
}

/// Fetches the proof for a nonce of our own and verifies it: what comes before every session and every wrap.
pub async fn prove(parent: &impl Parent, verifier: &Verifier) -> Result<Proven, SessionError> {
    let nonce = FreshNonce::draw();
    let proof = parent.evidence(nonce.as_nonce()).await?;
    let consulted = verifier.consult(&proof).await;
    Ok(verifier.verify(&proof, nonce, consulted, now_s()?)?)
}

/// This machine's clock, Unix seconds.
pub(crate) fn now_s() -> Result<u64, SessionError> {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|time| time.as_secs())
        .map_err(|_| SessionError::Clock)
}
