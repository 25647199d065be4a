//! The group: genesis and recovery. A group key is adopted only by these rules; no message sets one (T-63).

use crate::cbor::{Item, context_list};
use crate::context;
use crate::cose::PublicKey;
use crate::id::{Digest, GroupId, Thumbprint, hash, user_data_hash};
use crate::kind::EscrowMode;
use minicbor::{Decode, Encode};

/// One officer of the provider.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Officer {
    /// Signs commands.
    #[n(0)]
    pub signing: PublicKey,
    /// X-Wing, 1,216 raw bytes; receives the officer's share.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealing: Vec<u8>,
}

/// What the operator asks of a fresh enclave.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GenesisRequest {
    /// N officers, 3 to 10.
    #[n(0)]
    pub officers: Vec<Officer>,
    /// K, with 2 <= K <= N - 1.
    #[n(1)]
    pub threshold: u8,
    /// How the group key is escrowed.
    #[n(2)]
    pub escrow: EscrowMode,
}

/// What a group is, for ever. Its hash is the group id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GenesisBody {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// [`group_key_commitment`].
    #[n(1)]
    pub group_key: Digest,
    /// N officers.
    #[n(2)]
    pub officers: Vec<Officer>,
    /// K.
    #[n(3)]
    pub threshold: u8,
    /// How the group key is escrowed.
    #[n(4)]
    pub escrow: EscrowMode,
    /// [`share_commitment`] of every officer's share, in the officers' order.
    #[n(5)]
    pub shares: Vec<Digest>,
    /// Drawn by the enclave.
    #[n(6)]
    pub random: Digest,
}

/// A body and the Evidence of the instance that made it: user_data = [`genesis_user_data`], no public_key, nonce = group id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct GenesisRecord {
    /// Encoded [`GenesisBody`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// Attestation document.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub evidence: Vec<u8>,
}

/// A share on its way, to an officer or to an enclave's setup key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SealedShare {
    /// Officer number, from 0, in the body's order.
    #[n(0)]
    pub officer: u8,
    /// HPKE encapsulation.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub enc: Vec<u8>,
    /// HPKE ciphertext of an encoded [`Share`].
    #[cbor(n(2), with = "minicbor::bytes")]
    pub ciphertext: Vec<u8>,
}

/// A share in the clear.
#[derive(Encode, Decode)]
pub struct Share<'a> {
    /// Keeps the commitment from being guessed.
    #[cbor(b(0), with = "minicbor::bytes")]
    pub salt: &'a [u8],
    /// Shamir share over GF(256): x coordinate (officer + 1), then 32 bytes.
    #[cbor(b(1), with = "minicbor::bytes")]
    pub value: &'a [u8],
}

/// What genesis returns; the parent keeps the record, each officer gets a share.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Genesis {
    /// Encoded [`GenesisRecord`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub record: Vec<u8>,
    /// One for each officer.
    #[n(1)]
    pub shares: Vec<SealedShare>,
}

/// What the operator brings to a restarted enclave before the officers come.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RecoverRequest {
    /// Encoded [`GenesisRecord`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub genesis: Vec<u8>,
    /// Current vendor statement (COSE_Sign1).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub vendor_statement: Vec<u8>,
}

/// Answer to a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Recovery {
    /// Good shares of distinct officers so far.
    #[n(0)]
    pub have: u8,
    /// K.
    #[n(1)]
    pub need: u8,
    /// The group key is here.
    #[n(2)]
    pub complete: bool,
}

/// user_data of the Evidence in a genesis record.
pub fn genesis_user_data(body: &[u8]) -> [u8; 48] {
    user_data_hash(context::GENESIS, body)
}

/// Commitment to a group key.
pub fn group_key_commitment(group_key: &[u8; 32]) -> Digest {
    hash(context::GROUP_KEY, &[Item::Bytes(group_key)])
}

/// Commitment to one officer's share.
pub fn share_commitment(officer: u8, salt: &[u8], value: &[u8]) -> Digest {
    hash(
        context::SHARE,
        &[
            Item::Uint(officer.into()),
            Item::Bytes(salt),
            Item::Bytes(value),
        ],
    )
}

/// HPKE info of a share to its officer.
pub fn share_to_officer_info(group: &GroupId, officer: u8) -> Vec<u8> {
    context_list(
        context::SHARE_TO_OFFICER,
        &[Item::Bytes(&group.0), Item::Uint(officer.into())],
    )
}

/// HPKE info of a share to the setup key of one instance.
pub fn share_to_enclave_info(group: &GroupId, officer: u8, instance: &Thumbprint) -> Vec<u8> {
    context_list(
        context::SHARE_TO_ENCLAVE,
        &[
            Item::Bytes(&group.0),
            Item::Uint(officer.into()),
            Item::Bytes(&instance.0),
        ],
    )
}
