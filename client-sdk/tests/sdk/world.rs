//! A vendor, a provider and one enclave of a group: everything that a proof is made of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam::crypto::hpke::PrivateKey;
use cofferdam::crypto::provider_rsa::ProviderRsaKey;
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::known::Known;
use cofferdam::officer::Officer;
use cofferdam::trust::{Trust, TrustFile};
use cofferdam::verify::{Consulted, FreshNonce, ProofError, Proven, Verifier};
use cofferdam_wire::binding::{self, Binding, Measurement, PolicyBounds, SessionKey, TeeKey};
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::group::{GenesisBody, GenesisRecord, genesis_user_data};
use cofferdam_wire::id::{Digest, GroupId, Nonce};
use cofferdam_wire::kind::{EscrowMode, Suite};
use cofferdam_wire::transcript::{EnclaveProof, Proof, ProviderKey};
use cofferdam_wire::vendor::{Image, Provider, VendorStatement};
use cofferdam_wire::{cbor, context};

use crate::nsm::{Nsm, Says};

pub(crate) const IMAGE: Measurement = Measurement {
    pcr0: [1; 48],
    pcr1: [2; 48],
    pcr2: [3; 48],
};
pub(crate) const FOREIGN_IMAGE: Measurement = Measurement {
    pcr0: [9; 48],
    ..IMAGE
};
const DAY: u64 = 24 * 3600;

pub(crate) struct World {
    pub(crate) now_s: u64,
    pub(crate) nsm: Nsm,
    pub(crate) vendor: SigningKey,
    pub(crate) provider: PrivateKey,
    pub(crate) provider_rsa: ProviderRsaKey,
    pub(crate) instance: SigningKey,
    pub(crate) setup: PrivateKey,
    pub(crate) session: PrivateKey,
    pub(crate) tee: PrivateKey,
    pub(crate) tee_rsa: ProviderRsaKey,
    pub(crate) officers: Vec<Officer>,
}

/// A proof before it is signed and encoded. A test changes exactly one thing in it.
pub(crate) struct Draft {
    pub(crate) nonce: Nonce,
    pub(crate) binding: Binding,
    pub(crate) measurement: Measurement,
    /// Registers beside those of the measurement.
    pub(crate) further: Vec<(u8, [u8; 48])>,
    pub(crate) user_data: Option<[u8; 48]>,
    pub(crate) public_key: Option<Vec<u8>>,
    pub(crate) statement: VendorStatement,
    pub(crate) vendor: Option<SigningKey>,
    pub(crate) genesis_body: GenesisBody,
    pub(crate) genesis_measurement: Measurement,
    pub(crate) genesis_further: Vec<(u8, [u8; 48])>,
    pub(crate) genesis_s: u64,
    pub(crate) genesis_nonce: Option<[u8; 32]>,
    pub(crate) genesis_public_key: Option<Vec<u8>>,
    pub(crate) provider_keys: Vec<ProviderKey>,
}

impl World {
    pub(crate) fn new() -> World {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let rsa = |pem: &[u8]| ProviderRsaKey::from_pkcs8_pem(pem).unwrap();
        World {
            now_s: now.as_secs(),
            nsm: Nsm::new(now.as_secs()),
            vendor: SigningKey::generate(SignatureKind::P256),
            provider: PrivateKey::generate(),
            provider_rsa: rsa(include_bytes!("../keys/rsa-3072.pem")),
            instance: SigningKey::generate(SignatureKind::Ed25519),
            setup: PrivateKey::generate(),
            session: PrivateKey::generate(),
            tee: PrivateKey::generate(),
            tee_rsa: rsa(include_bytes!("../keys/rsa-4096.pem")),
            officers: (0..3).map(|_| Officer::generate()).collect(),
        }
    }

    pub(crate) fn trust_file(&self) -> TrustFile {
        TrustFile {
            version: 1,
            name: "test".into(),
            attestation_root: BASE64.encode(self.nsm.root_der()),
            vendor_key: hex::encode(self.vendor.public().to_cose()),
            provider: None,
            provider_ca: None,
            group: None,
            vendor_statement_max_age_s: None,
            suites: None,
            measurements: None,
            vendor_url: None,
            vendor_url_required: false,
            vendor_ca: None,
            validators: Vec::new(),
        }
    }

    pub(crate) fn trust(&self) -> Trust {
        self.trust_file().check().unwrap()
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(self.trust(), Known::in_memory())
    }

    pub(crate) fn genesis_body(&self) -> GenesisBody {
        GenesisBody {
            version: 1,
            group_key: Digest([4; 32]),
            officers: self.officers.iter().map(Officer::public).collect(),
            threshold: 2,
            escrow: EscrowMode::Officers,
            shares: vec![Digest([5; 32]), Digest([6; 32]), Digest([7; 32])],
            random: Digest([8; 32]),
        }
    }

    pub(crate) fn group(&self) -> GroupId {
        GroupId::of(&cbor::encode(&self.genesis_body()))
    }

    pub(crate) fn binding(&self) -> Binding {
        let group = self.group();
        let tee = |suite, public| TeeKey {
            suite,
            public,
            not_after_s: self.now_s + 20 * DAY,
            epoch: 3,
        };
        Binding {
            version: 1,
            group,
            chain_sequence: 0,
            chain_head: binding::empty_chain(&group),
            epoch: 3,
            measurements: vec![IMAGE],
            escrow: EscrowMode::Officers,
            instance: self.instance.public(),
            setup: self.setup.public().to_vec(),
            session: SessionKey {
                public: self.session.public().to_vec(),
                not_after_s: self.now_s + DAY / 2,
            },
            tee: vec![
                tee(Suite::XWing, self.tee.public().to_vec()),
                tee(Suite::RsaOaep, self.tee_rsa.public_key().to_cose()),
            ],
            bounds: PolicyBounds::IMAGE,
        }
    }

    pub(crate) fn provider_keys(&self) -> Vec<ProviderKey> {
        vec![
            ProviderKey {
                suite: Suite::XWing,
                public: self.provider.public().to_vec(),
            },
            ProviderKey {
                suite: Suite::RsaOaep,
                public: self.provider_rsa.public_key().to_cose(),
            },
        ]
    }

    pub(crate) fn statement(&self) -> VendorStatement {
        let keys = self.provider_keys().iter().map(ProviderKey::id).collect();
        VendorStatement {
            version: 1,
            sequence: 10,
            issued_s: self.now_s - DAY,
            not_after_s: self.now_s + 30 * DAY,
            images: vec![Image {
                measurement: IMAGE,
                until_s: None,
                pcr8: None,
                epoch: 1,
            }],
            providers: vec![Provider {
                name: "acme".into(),
                keys,
                pcr3: Vec::new(),
            }],
        }
    }

    pub(crate) fn draft(&self, nonce: &Nonce) -> Draft {
        Draft {
            nonce: *nonce,
            binding: self.binding(),
            measurement: IMAGE,
            further: Vec::new(),
            user_data: None,
            public_key: None,
            statement: self.statement(),
            vendor: None,
            genesis_body: self.genesis_body(),
            genesis_measurement: IMAGE,
            genesis_further: Vec::new(),
            genesis_s: self.now_s - 100 * DAY,
            genesis_nonce: None,
            genesis_public_key: None,
            provider_keys: self.provider_keys(),
        }
    }

    pub(crate) fn signed_statement(&self, statement: &VendorStatement) -> Vec<u8> {
        self.vendor
            .sign1(context::VENDOR_STATEMENT, cbor::encode(statement))
            .to_bytes()
    }

    /// Evidence over a Binding, made at `at_s`.
    pub(crate) fn evidence(&self, binding: &[u8], nonce: &[u8], at_s: u64) -> Vec<u8> {
        self.evidence_showing(&[], binding, nonce, at_s)
    }

    /// The same, showing further registers.
    pub(crate) fn evidence_showing(
        &self,
        further: &[(u8, [u8; 48])],
        binding: &[u8],
        nonce: &[u8],
        at_s: u64,
    ) -> Vec<u8> {
        let user_data = binding::user_data(binding);
        let public_key = self.spki();
        self.nsm.attest(&Says {
            at_s,
            measurement: IMAGE,
            further,
            nonce: Some(nonce),
            user_data: Some(&user_data),
            public_key: Some(&public_key),
        })
    }

    fn spki(&self) -> [u8; 44] {
        let PublicKey::Ed25519(public) = self.instance.public() else {
            panic!("instances have Ed25519 keys")
        };
        binding::instance_spki(&public)
    }

    pub(crate) fn assemble(&self, draft: &Draft) -> Proof {
        let binding = cbor::encode(&draft.binding);
        let user_data = draft
            .user_data
            .unwrap_or_else(|| binding::user_data(&binding));
        let public_key = draft
            .public_key
            .clone()
            .unwrap_or_else(|| self.spki().to_vec());
        let evidence = self.nsm.attest(&Says {
            at_s: self.now_s,
            measurement: draft.measurement,
            further: &draft.further,
            nonce: Some(&draft.nonce.0),
            user_data: Some(&user_data),
            public_key: Some(&public_key),
        });
        let body = cbor::encode(&draft.genesis_body);
        let group = GroupId::of(&body);
        let genesis_evidence = self.nsm.attest(&Says {
            at_s: draft.genesis_s,
            measurement: draft.genesis_measurement,
            further: &draft.genesis_further,
            nonce: Some(&draft.genesis_nonce.unwrap_or(group.0)),
            user_data: Some(&genesis_user_data(&body)),
            public_key: draft.genesis_public_key.as_deref(),
        });
        let genesis = cbor::encode(&GenesisRecord {
            body,
            evidence: genesis_evidence,
        });
        let vendor = draft.vendor.as_ref().unwrap_or(&self.vendor);
        let statement = vendor.sign1(context::VENDOR_STATEMENT, cbor::encode(&draft.statement));
        Proof {
            enclave: EnclaveProof {
                binding,
                evidence,
                genesis,
            },
            provider_keys: draft.provider_keys.clone(),
            vendor_statement: statement.to_bytes(),
        }
    }

    /// The proof for a nonce, with one change.
    pub(crate) fn proof(&self, nonce: &Nonce, change: impl FnOnce(&mut Draft)) -> Vec<u8> {
        let mut draft = self.draft(nonce);
        change(&mut draft);
        cbor::encode(&self.assemble(&draft))
    }

    pub(crate) fn judge(
        &self,
        verifier: &Verifier,
        change: impl FnOnce(&mut Draft),
    ) -> Result<Proven, ProofError> {
        let nonce = FreshNonce::draw();
        let proof = self.proof(nonce.as_nonce(), change);
        verifier.verify(&proof, nonce, Consulted::default(), self.now_s)
    }

    pub(crate) fn proven(&self) -> Proven {
        self.judge(&self.verifier(), |_| ()).unwrap()
    }
}
