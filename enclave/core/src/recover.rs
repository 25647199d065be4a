//! Recovery: K officers re-encrypt their shares to this instance's setup key, and only what the genesis record commits
//! to is adopted (T-63).

use crate::crypto::secret::{Secret32, equal};
use crate::crypto::{Failed, hpke, xwing};
use crate::group::{Group, Member};
use crate::vendor::Anchors;
use cofferdam_attestation::{Debugging, Expected};
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::group::{
    GenesisBody, GenesisRecord, RecoverRequest, Recovery, SealedShare, Share, genesis_user_data,
    group_key_commitment, share_commitment, share_to_enclave_info,
};
use cofferdam_wire::id::{GroupId, Pcr, Thumbprint};
use cofferdam_wire::vendor::Shown;
use cofferdam_wire::{Code, cbor, limits};
use std::collections::BTreeMap;
use std::sync::Arc;
use vsss_rs::Gf256;
use zeroize::Zeroizing;

/// An officer's share in the clear.
struct OpenShare {
    salt: Zeroizing<Vec<u8>>,
    value: Zeroizing<Vec<u8>>,
}

/// A proven genesis, and the good shares so far.
pub(crate) struct Recovering {
    group: Group,
    shares: BTreeMap<u8, Zeroizing<Vec<u8>>>,
}

impl Recovering {
    /// Accepts a genesis record as the group to be let into.
    pub(crate) fn new(
        body: &[u8],
        anchors: &Anchors,
        own: &Measurement,
        now_s: u64,
    ) -> Result<Self, Code> {
        let request: RecoverRequest =
            cbor::decode(body, limits::GENESIS_RECORD + limits::VENDOR_STATEMENT + 16)?;
        // GRP-2
        let statement = anchors.statement(&request.vendor_statement, now_s)?;
        if !statement.names(own, now_s) {
            return Err(Code::EvidenceRefused);
        }
        let record: GenesisRecord = cbor::decode(&request.genesis, limits::GENESIS_RECORD)?;
        let id = GroupId::of(&record.body);
        // GRP-3
        let expected = Expected {
            nonce: Some(&id.0),
            user_data: Some(&genesis_user_data(&record.body)),
            public_key: None,
            pcrs: &[],
            debugging: Debugging::Refuse,
        };
        let evidence =
            cofferdam_attestation::verify_at_own_time(&record.evidence, &anchors.root, &expected)
                .map_err(|_| Code::EvidenceRefused)?;
        if evidence.public_key().is_some() {
            return Err(Code::EvidenceRefused);
        }
        // GRP-4
        let made = evidence.measurement();
        let shown = Shown {
            measurement: Measurement {
                pcr0: made.pcr0,
                pcr1: made.pcr1,
                pcr2: made.pcr2,
            },
            pcr8: evidence.pcr(8).copied().map(Pcr),
            at_s: evidence.timestamp_ms() / 1000,
        };
        if !statement.accepts(&shown) {
            return Err(Code::EvidenceRefused);
        }
        // GRP-7
        if !statement.may_follow(own, &shown.measurement) {
            return Err(Code::EvidenceRefused);
        }
        let body: GenesisBody = cbor::decode(&record.body, limits::GENESIS_BODY)?;
        let k = usize::from(body.threshold);
        if body.version != 1
            || body.shares.len() != body.officers.len()
            || k < 2
            || k >= body.officers.len()
        {
            return Err(Code::Malformed);
        }
        let group = Group {
            id,
            body,
            record: Arc::new(request.genesis),
        };
        Ok(Self {
            group,
            shares: BTreeMap::new(),
        })
    }

    /// The group it waits for.
    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    /// Takes one officer's share. With K of them the group key is there: the progress, and the member if complete.
    pub(crate) fn share(
        &mut self,
        body: &[u8],
        setup: &xwing::PrivateKey,
        instance: &Thumbprint,
    ) -> Result<(Recovery, Option<Member>), Code> {
        let sealed: SealedShare = cbor::decode(body, 4096)?;
        let OpenShare { salt, value } = self
            .open(&sealed, setup, instance)
            .map_err(|_| Code::UnwrapFailed)?;
        // GRP-5
        let committed = self
            .group
            .body
            .shares
            .get(usize::from(sealed.officer))
            .ok_or(Code::BadShare)?;
        if share_commitment(sealed.officer, &salt, &value) != *committed {
            return Err(Code::BadShare);
        }
        self.shares.insert(sealed.officer, value);
        let need = self.group.body.threshold;
        let have = self.shares.len() as u8;
        if have < need {
            return Ok((
                Recovery {
                    have,
                    need,
                    complete: false,
                },
                None,
            ));
        }
        let key = self.combine().map_err(|_| Code::BadShare)?;
        let group = Group {
            id: self.group.id,
            body: self.group.body.clone(),
            record: self.group.record.clone(),
        };
        Ok((
            Recovery {
                have,
                need,
                complete: true,
            },
            Some(Member {
                group,
                key: Arc::new(key),
            }),
        ))
    }

    fn open(
        &self,
        sealed: &SealedShare,
        setup: &xwing::PrivateKey,
        instance: &Thumbprint,
    ) -> Result<OpenShare, Failed> {
        let enc = sealed.enc.as_slice().try_into().map_err(|_| Failed)?;
        let info = share_to_enclave_info(&self.group.id, sealed.officer, instance);
        let opened = hpke::setup_receiver(setup, enc, &info)?.open(&[], &sealed.ciphertext)?;
        let share: Share<'_> = cbor::decode(opened.expose(), 256).map_err(|_| Failed)?;
        Ok(OpenShare {
            salt: Zeroizing::new(share.salt.to_vec()),
            value: Zeroizing::new(share.value.to_vec()),
        })
    }

    fn combine(&self) -> Result<Secret32, Failed> {
        let shares: Vec<Vec<u8>> = self.shares.values().map(|share| share.to_vec()).collect();
        let shares = Zeroizing::new(shares);
        let combined = Zeroizing::new(Gf256::combine_bytes(shares.as_slice()).map_err(|_| Failed)?);
        let key = Secret32::from_slice(&combined).ok_or(Failed)?;
        // GRP-6
        let commitment = group_key_commitment(key.expose());
        if equal(&commitment.0, &self.group.body.group_key.0) {
            Ok(key)
        } else {
            Err(Failed)
        }
    }
}
