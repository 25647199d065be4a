//! An officer of the provider: holds one share of a group's key, and brings it to a restarted enclave.
//!
//! An officer trusts its own copy of the trust file and nothing that the operator hands over. A share is opened only to
//! check it against the commitment that genesis made, and it leaves only sealed to the setup key of an instance that is
//! [`Proven`]: under the pinned root, of an accepted image, asking into the very group of the share (T-58). The type asks
//! for that proof, so a tool cannot forget it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam_wire::cbor;
use cofferdam_wire::group::{
    GenesisBody, Officer as OfficerKeys, SealedShare, Share, share_commitment,
    share_to_enclave_info, share_to_officer_info,
};
use cofferdam_wire::id::GroupId;
use serde::Deserialize;
use zeroize::{Zeroize as _, Zeroizing};

use crate::crypto::hpke::{self, HpkeError, PrivateKey};
use crate::crypto::secret::Secret32;
use crate::crypto::signing::{SignatureKind, SigningKey};
use crate::keyfile::KeyFileError;
use crate::verify::Proven;

/// Why an officer's file was refused.
#[derive(Debug, thiserror::Error)]
pub enum OfficerFileError {
    /// Not TOML, or a field is missing or unknown. What the parser says is left out, since it quotes the file.
    #[error("the officer file is not well formed")]
    Form,
    /// The signing key.
    #[error("the field signing_key of the officer file is refused: {0}")]
    Signing(#[from] KeyFileError),
    /// The signing key is Ed25519 where P-256 is needed.
    #[error("an officer signs with a P-256 key, as cards have it")]
    Kind,
    /// The sealing key.
    #[error("the field sealing_seed of the officer file must be the base64 of 32 bytes")]
    Sealing,
}

/// Why a share was not accepted or not passed on.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The share is for somebody else, or the group has no such officer.
    #[error(
        "the share is for officer {0}, whose keys in the group's genesis are not the ones in this file"
    )]
    NotMine(u8),
    /// It does not open.
    #[error(
        "the share does not open with this officer's key; it was made for another group or another officer"
    )]
    Open,
    /// It is not what genesis committed to.
    #[error(
        "the share of officer {0} does not match what genesis committed to; it is damaged or was exchanged"
    )]
    Commitment(u8),
    /// The verified instance asks into another group.
    #[error(
        "the enclave asks into group {asks}, and the share is of group {share}; nothing was sealed to it"
    )]
    Group {
        /// What the Binding says.
        asks: GroupId,
        /// Where the share belongs.
        share: GroupId,
    },
    /// The setup key cannot be sealed to.
    #[error("the enclave's setup key is refused: {0}")]
    SetupKey(HpkeError),
}

/// An officer's private keys: P-256 signs commands, X-Wing receives the share.
pub struct Officer {
    signing: SigningKey,
    sealing: PrivateKey,
}

/// A share that was checked against its commitment, in clear and in this process only.
pub struct AcceptedShare {
    officer: u8,
    group: GroupId,
    plain: Zeroizing<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfficerFile {
    version: u32,
    signing_key: String,
    sealing_seed: String,
}

impl Drop for OfficerFile {
    fn drop(&mut self) {
        self.signing_key.zeroize();
        self.sealing_seed.zeroize();
    }
}

impl Officer {
    /// A new officer.
    pub fn generate() -> Self {
        Self {
            signing: SigningKey::generate(SignatureKind::P256),
            sealing: PrivateKey::generate(),
        }
    }

    /// Reads an officer's file.
    pub fn from_toml(text: &str) -> Result<Self, OfficerFileError> {
        let file: OfficerFile = toml::from_str(text).map_err(|_| OfficerFileError::Form)?;
        if file.version != 1 {
            return Err(OfficerFileError::Form);
        }
        let signing = SigningKey::from_pem(file.signing_key.as_bytes())?;
        if signing.kind() != SignatureKind::P256 {
            return Err(OfficerFileError::Kind);
        }
        let seed = BASE64
            .decode(&file.sealing_seed)
            .map(Zeroizing::new)
            .map_err(|_| OfficerFileError::Sealing)?;
        let seed = Secret32::from_slice(&seed).ok_or(OfficerFileError::Sealing)?;
        Ok(Self {
            signing,
            sealing: PrivateKey::from_seed(&seed),
        })
    }

    /// The officer's file. Secret.
    pub fn to_toml(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(BASE64.encode(self.sealing.to_seed().expose()));
        let pem = self.signing.to_pkcs8_pem();
        Zeroizing::new(format!(
            "version = 1\nsealing_seed = \"{}\"\nsigning_key = '''\n{}'''\n",
            *seed, *pem
        ))
    }

    /// The public halves, for a genesis request.
    pub fn public(&self) -> OfficerKeys {
        OfficerKeys {
            signing: self.signing.public(),
            sealing: self.sealing.public().to_vec(),
        }
    }

    /// Opens a share and checks it: that it is this officer's, in this group, and what genesis committed to. `genesis_body`
    /// is the encoded body out of the genesis record.
    pub fn accept_share(
        &self,
        genesis_body: &[u8],
        share: &SealedShare,
    ) -> Result<AcceptedShare, ShareError> {
        let officer = share.officer;
        let group = GroupId::of(genesis_body);
        let limit = cofferdam_wire::limits::GENESIS_BODY;
        let body: GenesisBody =
            cbor::decode(genesis_body, limit).map_err(|_| ShareError::NotMine(officer))?;
        let place = usize::from(officer);
        if body.officers.get(place) != Some(&self.public()) {
            return Err(ShareError::NotMine(officer));
        }
        let info = share_to_officer_info(&group, officer);
        let plain = hpke::setup_receiver(&self.sealing, &share.enc, &info)
            .and_then(|receiver| receiver.open(b"", &share.ciphertext))
            .map_err(|_| ShareError::Open)?;
        let clear: Share<'_> = cbor::decode(&plain, 128).map_err(|_| ShareError::Open)?;
        if body.shares.get(place) != Some(&share_commitment(officer, clear.salt, clear.value)) {
            return Err(ShareError::Commitment(officer));
        }
        Ok(AcceptedShare {
            officer,
            group,
            plain,
        })
    }
}

impl AcceptedShare {
    /// Seals the share to the setup key of a proven instance that asks into the share's group.
    pub fn re_encrypt(&self, instance: &Proven) -> Result<SealedShare, ShareError> {
        let binding = instance.binding();
        if instance.group() != self.group {
            return Err(ShareError::Group {
                asks: instance.group(),
                share: self.group,
            });
        }
        let info = share_to_enclave_info(&self.group, self.officer, &binding.instance.thumbprint());
        let (enc, sender) =
            hpke::setup_sender(&binding.setup, &info).map_err(ShareError::SetupKey)?;
        let ciphertext = sender
            .seal(b"", &self.plain)
            .map_err(ShareError::SetupKey)?;
        Ok(SealedShare {
            officer: self.officer,
            enc,
            ciphertext,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use cofferdam_wire::id::Digest;
    use cofferdam_wire::kind::EscrowMode;

    /// Three officers, and a share of the second as genesis seals it.
    fn genesis(value: &[u8]) -> (Vec<Officer>, Vec<u8>, SealedShare) {
        let officers: Vec<_> = (0..3).map(|_| Officer::generate()).collect();
        let body = cbor::encode(&GenesisBody {
            version: 1,
            group_key: Digest([1; 32]),
            officers: officers.iter().map(Officer::public).collect(),
            threshold: 2,
            escrow: EscrowMode::Officers,
            shares: (0..3)
                .map(|officer| share_commitment(officer, &[9; 32], &[officer + 1; 33]))
                .collect(),
            random: Digest([2; 32]),
        });
        let info = share_to_officer_info(&GroupId::of(&body), 1);
        let (enc, sender) = hpke::setup_sender(&officers[1].public().sealing, &info).unwrap();
        let ciphertext = sender
            .seal(
                b"",
                &cbor::encode(&Share {
                    salt: &[9; 32],
                    value,
                }),
            )
            .unwrap();
        (
            officers,
            body,
            SealedShare {
                officer: 1,
                enc,
                ciphertext,
            },
        )
    }

    #[test]
    fn an_officer_file_reads_back() {
        let officer = Officer::generate();
        let again =
            Officer::from_toml(&officer.to_toml()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.public(), officer.public());
        assert!(matches!(
            Officer::from_toml("version = 1"),
            Err(OfficerFileError::Form)
        ));
        let short = officer
            .to_toml()
            .replace("sealing_seed = \"", "sealing_seed = \"AAAA");
        assert!(matches!(
            Officer::from_toml(&short),
            Err(OfficerFileError::Sealing)
        ));
    }

    #[test]
    fn t58_only_the_share_that_genesis_committed_to_is_accepted() {
        let (officers, body, share) = genesis(&[2; 33]);
        assert!(officers[1].accept_share(&body, &share).is_ok());
        let (officers, body, share) = genesis(&[3; 33]);
        let error = officers[1].accept_share(&body, &share).err().unwrap();
        assert!(matches!(error, ShareError::Commitment(1)), "{error}");
    }

    #[test]
    fn t58_a_share_for_another_officer_or_group_is_refused() {
        let (officers, body, share) = genesis(&[2; 33]);
        assert!(matches!(
            officers[0].accept_share(&body, &share),
            Err(ShareError::NotMine(1))
        ));
        let moved = SealedShare {
            officer: 2,
            ..share.clone()
        };
        assert!(matches!(
            officers[1].accept_share(&body, &moved),
            Err(ShareError::NotMine(2))
        ));
        assert!(matches!(
            officers[2].accept_share(&body, &moved),
            Err(ShareError::Open)
        ));
        let absent = SealedShare {
            officer: 7,
            ..share.clone()
        };
        assert!(matches!(
            officers[1].accept_share(&body, &absent),
            Err(ShareError::NotMine(7))
        ));
        let mut other: GenesisBody = cbor::decode(&body, 20_000).unwrap();
        other.random = Digest([3; 32]);
        assert!(matches!(
            officers[1].accept_share(&cbor::encode(&other), &share),
            Err(ShareError::Open)
        ));
    }
}
