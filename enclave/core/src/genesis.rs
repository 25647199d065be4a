//! Genesis: a fresh instance draws a group key, splits it among the officers and commits to all of it.

use crate::crypto::secret::Secret32;
use crate::crypto::{Failed, hpke};
use crate::group::{Group, Member};
use crate::io::Entropy;
use cofferdam_wire::group::{
    Genesis, GenesisBody, GenesisRecord, GenesisRequest, SealedShare, Share, genesis_user_data,
    group_key_commitment, share_commitment, share_to_officer_info,
};
use cofferdam_wire::id::{Digest, GroupId};
use cofferdam_wire::kind::EscrowMode;
use cofferdam_wire::{Code, cbor, limits};
use rand_core::{TryCryptoRng, TryRng};
use std::sync::Arc;
use vsss_rs::Gf256;
use zeroize::Zeroizing;

/// A group that waits for its Evidence.
pub(crate) struct Founded {
    id: GroupId,
    body: GenesisBody,
    encoded: Vec<u8>,
    key: Secret32,
    shares: Vec<SealedShare>,
}

impl Founded {
    /// Makes everything but the Evidence.
    pub(crate) fn new(request: &[u8], entropy: &mut dyn Entropy) -> Result<Self, Code> {
        let request: GenesisRequest = cbor::decode(request, limits::GENESIS_BODY)?;
        check(&request)?;
        let key = Secret32::filled(|bytes| {
            entropy.fill(bytes);
            Ok::<(), Failed>(())
        })
        .map_err(|_| Code::Internal)?;
        let count = request.officers.len();
        let values = Gf256::split_bytes(
            request.threshold.into(),
            count,
            key.expose(),
            Draws(entropy),
        )
        .map_err(|_| Code::Internal)?
        .into_iter()
        .map(Zeroizing::new)
        .collect::<Vec<_>>();
        let salts = (0..count).map(|_| drawn(entropy)).collect::<Vec<Digest>>();
        let commitments = (0u8..).zip(values.iter().zip(&salts));
        let body = GenesisBody {
            version: 1,
            group_key: group_key_commitment(key.expose()),
            threshold: request.threshold,
            escrow: request.escrow,
            shares: commitments
                .map(|(officer, (value, salt))| share_commitment(officer, &salt.0, value))
                .collect(),
            officers: request.officers,
            random: drawn(entropy),
        };
        let encoded = cbor::encode(&body);
        let id = GroupId::of(&encoded);
        let shares = (0u8..)
            .zip(body.officers.iter().zip(values.iter().zip(&salts)))
            .map(|(officer, (to, (value, salt)))| {
                seal_share(&id, officer, &to.sealing, &salt.0, value)
            })
            .collect::<Result<_, _>>()
            .map_err(|_| Code::OutOfRange)?;
        Ok(Self {
            id,
            body,
            encoded,
            key,
            shares,
        })
    }

    /// What the Evidence of this genesis has to carry: nonce and user_data.
    pub(crate) fn evidence_fields(&self) -> ([u8; 32], [u8; 48]) {
        (self.id.0, genesis_user_data(&self.encoded))
    }

    /// With its Evidence the group is there.
    pub(crate) fn attested(self, evidence: Vec<u8>) -> (Member, Vec<u8>) {
        let record = cbor::encode(&GenesisRecord {
            body: self.encoded,
            evidence,
        });
        let reply = cbor::encode(&Genesis {
            record: record.clone(),
            shares: self.shares,
        });
        let group = Group {
            id: self.id,
            body: self.body,
            record: Arc::new(record),
        };
        (
            Member {
                group,
                key: Arc::new(self.key),
            },
            reply,
        )
    }
}

fn check(request: &GenesisRequest) -> Result<(), Code> {
    let officers = &request.officers;
    let n = officers.len();
    let distinct = officers.iter().enumerate().all(|(i, a)| {
        officers[..i]
            .iter()
            .all(|b| a.signing != b.signing && a.sealing != b.sealing)
    });
    // GRP-1
    if !(3..=limits::OFFICERS).contains(&n)
        || !(2..n).contains(&usize::from(request.threshold))
        || !distinct
    {
        return Err(Code::OutOfRange);
    }
    // The escrow modes with a second half come with the vendor's and the KMS's share.
    if request.escrow != EscrowMode::Officers {
        return Err(Code::UnsupportedVersion);
    }
    Ok(())
}

fn seal_share(
    group: &GroupId,
    officer: u8,
    to: &[u8],
    salt: &[u8],
    value: &[u8],
) -> Result<SealedShare, Failed> {
    let to = to.try_into().map_err(|_| Failed)?;
    let (enc, sender) = hpke::setup_sender(to, &share_to_officer_info(group, officer))?;
    let plain = Zeroizing::new(cbor::encode(&Share { salt, value }));
    Ok(SealedShare {
        officer,
        enc: enc.to_vec(),
        ciphertext: sender.seal(&[], &plain)?,
    })
}

fn drawn(entropy: &mut dyn Entropy) -> Digest {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    Digest(bytes)
}

/// The injected entropy as the generator that the sharing crate wants.
struct Draws<'a>(&'a mut dyn Entropy);

impl TryRng for Draws<'_> {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Draws<'_> {}
