//! The keys of one instance, from boot to the end of the process, and the Binding that names them.
//!
//! Nothing here is ever written anywhere; a restarted process is another instance.

use crate::crypto::secret::Secret32;
use crate::crypto::signature::InstanceKey;
use crate::crypto::{Failed, xaes, xwing};
use crate::layer::Recipient;
use cofferdam_wire::binding::{
    Binding, Measurement, PolicyBounds, SessionKey, TeeKey, empty_chain,
};
use cofferdam_wire::id::{GroupId, RecipientId};
use cofferdam_wire::kind::EscrowMode;
use cofferdam_wire::limits;
use std::sync::Arc;

/// How long a TEE key outlives its offer, for imports on their way.
const DAY_S: u64 = 24 * 3600;
/// Epoch of a group before its first command.
const FIRST_EPOCH: u64 = 0;

/// Everything that only this instance has.
pub(crate) struct Identity {
    /// Signs receipts and queries.
    pub(crate) instance: Arc<InstanceKey>,
    /// Receives shares and status answers.
    pub(crate) setup: xwing::PrivateKey,
    /// Receive imports: those that are offered, and those that are erased within a day.
    tee: Vec<Arc<Tee>>,
    /// How many of them the Binding offers.
    offered: usize,
    /// Receives session openings; the one before is still accepted for a day.
    session: Vec<Arc<Session>>,
    /// Image of this instance.
    pub(crate) measurement: Measurement,
}

/// A TEE key.
pub(crate) struct Tee {
    /// The private half.
    pub(crate) recipient: Recipient,
    /// As the Binding names it.
    pub(crate) offer: TeeKey,
    /// Id of the public half.
    pub(crate) id: RecipientId,
}

/// A session key and the ticket key of the same day.
pub(crate) struct Session {
    /// Opens openings.
    pub(crate) private: xwing::PrivateKey,
    /// Seals tickets.
    pub(crate) tickets: xaes::Key,
    /// As the Binding names it.
    pub(crate) offer: SessionKey,
    /// Id of the public half.
    pub(crate) id: RecipientId,
}

impl Identity {
    /// Draws every key; about a second of work, most of it RSA-4096.
    pub(crate) fn generate(measurement: Measurement, now_s: u64) -> Result<Self, Failed> {
        let tee = Tee::generate(now_s)?;
        Ok(Self {
            offered: tee.len(),
            instance: Arc::new(InstanceKey::generate()?),
            setup: xwing::PrivateKey::generate()?,
            tee,
            session: vec![Arc::new(Session::generate(now_s)?)],
            measurement,
        })
    }

    /// Draws the keys whose time has come and erases those whose time is over. True if the Binding changed.
    ///
    /// Session and ticket keys are new every day, and the ones before stay a day for what was opened to them. TEE keys are
    /// new a day before the old ones end; erased a day after their end, they leave recorded imports to nobody (P5).
    pub(crate) fn rotate(&mut self, now_s: u64) -> Result<bool, Failed> {
        let has_new_session = now_s >= self.session[0].offer.not_after_s;
        if has_new_session {
            self.session.insert(0, Arc::new(Session::generate(now_s)?));
            self.session.truncate(2);
        }
        let last_end_s = self.tee.iter().map(|tee| tee.offer.not_after_s).max();
        let has_new_tee = last_end_s.is_none_or(|end_s| now_s + DAY_S >= end_s);
        if has_new_tee {
            self.tee.extend(Tee::generate(now_s)?);
        }
        self.tee.retain(|tee| tee.is_held(now_s));
        let offered = self.tee.iter().filter(|tee| tee.is_offered(now_s)).count();
        let has_fewer = std::mem::replace(&mut self.offered, offered) != offered;
        Ok(has_new_session || has_new_tee || has_fewer)
    }

    /// The TEE key that a header names, while it is held.
    pub(crate) fn tee_key(&self, id: &RecipientId, now_s: u64) -> Option<Arc<Tee>> {
        let held = |tee: &&Arc<Tee>| tee.id == *id && tee.is_held(now_s);
        self.tee.iter().find(held).cloned()
    }

    /// The session key that an opening names, while it is held.
    pub(crate) fn session_key(&self, id: &RecipientId) -> Option<Arc<Session>> {
        self.session
            .iter()
            .find(|session| session.id == *id)
            .cloned()
    }

    /// The session keys whose tickets are still accepted, newest first.
    pub(crate) fn sessions(&self) -> &[Arc<Session>] {
        &self.session
    }

    /// What Evidence of this instance vouches for.
    pub(crate) fn binding(&self, group: GroupId, escrow: EscrowMode, now_s: u64) -> Binding {
        let offered = self.tee.iter().filter(|tee| tee.is_offered(now_s));
        Binding {
            version: 1,
            group,
            chain_sequence: 0,
            chain_head: empty_chain(&group),
            epoch: FIRST_EPOCH,
            measurements: vec![self.measurement],
            escrow,
            instance: self.instance.public(),
            setup: self.setup.public().to_vec(),
            session: self.session[0].offer.clone(),
            tee: offered.map(|tee| tee.offer.clone()).collect(),
            bounds: PolicyBounds::IMAGE,
        }
    }
}

impl Tee {
    /// One for each suite.
    fn generate(now_s: u64) -> Result<Vec<Arc<Self>>, Failed> {
        let recipients = [
            Recipient::XWing(xwing::PrivateKey::generate()?),
            Recipient::Rsa(crate::crypto::oaep::UnwrapKey::generate()?),
        ];
        let keys = recipients.map(|recipient| Arc::new(Self::new(recipient, now_s)));
        Ok(keys.into())
    }

    fn is_offered(&self, now_s: u64) -> bool {
        now_s < self.offer.not_after_s
    }

    fn is_held(&self, now_s: u64) -> bool {
        now_s < self.offer.not_after_s + DAY_S
    }

    fn new(recipient: Recipient, now_s: u64) -> Self {
        let offer = TeeKey {
            suite: recipient.suite(),
            public: recipient.public(),
            not_after_s: now_s + limits::TEE_KEY_OFFERED_S,
            epoch: FIRST_EPOCH,
        };
        Self {
            id: offer.id(),
            recipient,
            offer,
        }
    }
}

impl Session {
    fn generate(now_s: u64) -> Result<Self, Failed> {
        let private = xwing::PrivateKey::generate()?;
        let offer = SessionKey {
            public: private.public().to_vec(),
            not_after_s: now_s + limits::SESSION_KEY_OFFERED_S,
        };
        Ok(Self {
            tickets: xaes::Key::new(&Secret32::random()?)?,
            id: offer.id(),
            private,
            offer,
        })
    }
}
