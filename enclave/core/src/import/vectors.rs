//! vectors/import.json: whole imports that a third hand sealed. The enclave makes of them exactly the written receipt and a
//! record that opens again, and answers each defect with its code.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::{ImportTask, Received};
use crate::crypto::oaep::UnwrapKey;
use crate::crypto::secret::Secret32;
use crate::crypto::signature::InstanceKey;
use crate::crypto::xwing::PrivateKey;
use crate::evidence::BoundEvidence;
use crate::identity::Tee;
use crate::io::Entropy;
use crate::layer::Recipient;
use crate::record::{self, RecordNonces};
use base64::Engine as _;
use cofferdam_wire::binding::TeeKey;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::{GroupId, KeyId};
use cofferdam_wire::import::{ImportHeader, ImportRequest, Imported, Statement, header_hash};
use cofferdam_wire::kind::EscrowMode;
use cofferdam_wire::layer::{Layer, info};
use cofferdam_wire::{Code, cbor, context, limits};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

static FILE: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../vectors/import.json")).unwrap()
});
const GROUP_KEY: [u8; 32] = [0x6b; 32];

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(value, name)).unwrap()
}

fn array<const N: usize>(value: &Value, name: &str) -> [u8; N] {
    bytes(value, name).try_into().unwrap()
}

/// The private key of one of the file's recipients.
fn recipient(value: &Value) -> Recipient {
    let recipient = match value["pkcs8_pem"].as_str() {
        None => Recipient::XWing(PrivateKey::from_seed(&array(value, "seed"))),
        Some(pem) => {
            let lines = pem.lines().filter(|line| !line.starts_with('-'));
            let der = base64::engine::general_purpose::STANDARD
                .decode(lines.collect::<String>())
                .unwrap();
            Recipient::Rsa(UnwrapKey::from_pkcs8(&der).unwrap())
        }
    };
    assert_eq!(recipient.public(), bytes(value, "public"));
    recipient
}

/// What both sides hold in one suite.
struct Side {
    provider: Recipient,
    tee: Arc<Tee>,
}

impl Side {
    fn of(case: &Value) -> Self {
        let keys = &FILE["keys"][format!("suite_{}", case["suite"])];
        let recipient_of_tee = recipient(&keys["tee"]);
        let offer = TeeKey {
            suite: recipient_of_tee.suite(),
            public: recipient_of_tee.public(),
            not_after_s: u64::MAX,
            epoch: 0,
        };
        assert_eq!(offer.id().0, array(&keys["tee"], "recipient_id"));
        let tee = Tee {
            id: offer.id(),
            recipient: recipient_of_tee,
            offer,
        };
        Self {
            provider: recipient(&keys["provider"]),
            tee: Arc::new(tee),
        }
    }

    /// Takes the provider layer off without asking anything, as a parent might.
    fn forwarded(&self, import: &[u8]) -> Vec<u8> {
        let ImportRequest { statement, layer } = cbor::decode(import, limits::IMPORT).unwrap();
        let signed = CoseSign1::from_bytes(&statement, limits::STATEMENT).unwrap();
        let stated: Statement = cbor::decode(&signed.payload, limits::STATEMENT).unwrap();
        let header: ImportHeader = cbor::decode(&stated.header, limits::IMPORT_HEADER).unwrap();
        assert_eq!(header.provider_suite, self.provider.suite());
        let layer: Layer = cbor::decode(&layer, limits::LAYER).unwrap();
        let info = info(context::LAYER_PROVIDER, &header_hash(&stated.header).0);
        let opened = self.provider.open(&layer, &info, &stated.header).ok();
        let layer = opened.unwrap().expose().to_vec();
        cbor::encode(&ImportRequest { statement, layer })
    }

    fn import(&self, request: &[u8], instance: InstanceKey) -> Result<Imported, Code> {
        let now_s = FILE["attested_s"].as_u64().unwrap();
        let group = GroupId(array(&FILE["valid"][0], "group"));
        let task = ImportTask {
            received: Received::parse(request, &group, now_s)?,
            tee: self.tee.clone(),
            group,
            group_key: Arc::new(Secret32::from_slice(&GROUP_KEY).unwrap()),
            escrow: EscrowMode::Officers,
            instance: Arc::new(instance),
            now_s,
            nonces: RecordNonces::draw(&mut Sevens),
            own: BoundEvidence {
                binding: Arc::default(),
                evidence: Arc::default(),
            },
        };
        let imported = task.run()?;
        Ok(cbor::decode(&imported, limits::FRAME_BODY).unwrap())
    }
}

struct Sevens;

impl Entropy for Sevens {
    fn fill(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

#[test]
fn imp_18_rec_6_whole_imports_give_the_written_receipts_and_records_that_open_again() {
    let cases = FILE["valid"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let side = Side::of(case);
        let instance = InstanceKey::from_seed(&array(&case["instance"], "private"));
        assert_eq!(
            instance.public().to_cose(),
            bytes(&case["instance"], "cose_key")
        );
        let request = side.forwarded(&bytes(case, "import"));
        let imported = side.import(&request, instance).unwrap();
        assert_eq!(hex::encode(&imported.receipt), text(case, "signed_receipt"));

        let group = GroupId(array(case, "group"));
        let group_key = Secret32::from_slice(&GROUP_KEY).unwrap();
        let key = KeyId(array(case, "key_id"));
        let loaded = record::load(&group, &group_key, &key, &imported.record).unwrap();
        let services = case["services"].as_array().unwrap();
        let secret =
            |service: &Value| Secret32::from_slice(&bytes(service, "release_secret")).unwrap();
        let mut releases: Vec<_> = services.iter().map(secret).collect();
        let material = loaded.open_material(&group_key, &releases).ok().unwrap();
        assert_eq!(hex::encode(material.expose()), text(case, "material"));
        releases[0] = Secret32::from_slice(&[0; 32]).unwrap();
        assert!(loaded.open_material(&group_key, &releases).is_err());
    }
}

#[test]
fn imp_1_t10_every_defect_that_reaches_the_enclave_has_its_code() {
    let mut seen = 0;
    for suite in 1..=2 {
        let side = Side::of(&serde_json::json!({ "suite": suite }));
        for case in FILE["invalid"].as_array().unwrap() {
            let names_enclave = case["refused_by"]
                .as_array()
                .unwrap()
                .contains(&"enclave".into());
            if case["suite"] != suite || !names_enclave {
                continue;
            }
            seen += 1;
            let request = side.forwarded(&bytes(case, "import"));
            let refused = side.import(&request, InstanceKey::generate().unwrap());
            let code = refused.err().map(Code::number);
            let written = case["code"].as_u64().map(|code| code as u16);
            assert_eq!(code, written, "{suite}: {}", text(case, "defect"));
        }
    }
    assert!(seen >= 35, "{seen} defects");
}
