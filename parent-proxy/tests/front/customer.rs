//! A customer who wraps keys for the parent, with every part open to damage.

use crate::parent::{Parent, outcome};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::layer;
use cofferdam_wire::Code;
use cofferdam_wire::id::{Digest, GroupId, KeyId, RecipientId};
use cofferdam_wire::import::{
    ImportHeader, ImportRequest, ReceiptBundle, Statement, header_hash, vendor_layer_hash,
};
use cofferdam_wire::kind::{KeyKind, Suite, UsageClass, WrapMode};
use cofferdam_wire::layer::Layer;
use cofferdam_wire::owner_request::OwnerRequest;
use cofferdam_wire::transcript::{Proof, ProviderKey};
use cofferdam_wire::{cbor, context, limits};
use std::time::SystemTime;

pub(crate) struct Customer {
    pub(crate) owner: SigningKey,
    pub(crate) provider: Vec<ProviderKey>,
}

/// Everything that a test may damage, each in its place.
pub(crate) struct Parts {
    pub(crate) header: ImportHeader,
    pub(crate) vendor_layer: Vec<u8>,
    pub(crate) sealed_vendor_layer: Vec<u8>,
    pub(crate) seal_to: ProviderKey,
    pub(crate) seal_context: &'static str,
}

impl Customer {
    pub(crate) async fn of(parent: &Parent) -> Self {
        let proof = parent
            .get(&format!("/v1/evidence?nonce={}", "11".repeat(32)))
            .await
            .unwrap();
        let proof: Proof = cbor::decode(&proof, limits::PROOF).unwrap();
        Self {
            owner: SigningKey::generate(SignatureKind::Ed25519),
            provider: proof.provider_keys,
        }
    }

    pub(crate) fn parts(&self, suite: Suite, number: u8) -> Parts {
        let key = self
            .provider
            .iter()
            .find(|key| key.suite == suite)
            .unwrap()
            .clone();
        let vendor_layer = cbor::encode(&Layer {
            suite: Suite::XWing,
            recipient: RecipientId([3; 32]),
            enc: vec![number; 1120],
            commitment: Digest([4; 32]),
            ciphertext: vec![number; 600],
        });
        let header = ImportHeader {
            version: 1,
            vendor_suite: Suite::XWing,
            provider_suite: suite,
            mode: WrapMode::Parent,
            group: GroupId([1; 32]),
            owner: self.owner.public(),
            partition: "payments".into(),
            kind: KeyKind::EcP256,
            class: UsageClass::Sign,
            tee_key: RecipientId([3; 32]),
            provider_key: key.id(),
            transcript: Digest([5; 32]),
            created_s: 1,
            not_after_s: 2,
        };
        let sealed_vendor_layer = vendor_layer.clone();
        Parts {
            header,
            vendor_layer,
            sealed_vendor_layer,
            seal_to: key,
            seal_context: context::LAYER_PROVIDER,
        }
    }

    pub(crate) fn request(&self, parts: &Parts) -> (KeyId, ImportRequest) {
        let header = cbor::encode(&parts.header);
        let statement = cbor::encode(&Statement {
            vendor_layer: vendor_layer_hash(&parts.vendor_layer),
            control: Digest([6; 32]),
            material: Digest([7; 32]),
            revocation: Digest([8; 32]),
            header: header.clone(),
        });
        let key = KeyId::of(&statement);
        let statement = self.owner.sign1(context::STATEMENT, statement).to_bytes();
        let to = &parts.seal_to;
        let bound = header_hash(&header);
        let layer = layer::danger_seal(
            to.suite,
            &to.public,
            parts.seal_context,
            &bound.0,
            &header,
            &parts.sealed_vendor_layer,
        );
        (
            key,
            ImportRequest {
                statement,
                layer: cbor::encode(&layer.unwrap()),
            },
        )
    }

    pub(crate) async fn ask(
        &self,
        parent: &Parent,
        path: &str,
        signed_path: &str,
    ) -> Result<Vec<u8>, Code> {
        let issued_s = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let request = OwnerRequest {
            version: 1,
            path: signed_path.into(),
            issued_s,
            owner: self.owner.public(),
        };
        let signed = self
            .owner
            .sign1(context::OWNER_REQUEST, cbor::encode(&request))
            .to_bytes();
        let value = URL_SAFE_NO_PAD.encode(signed);
        outcome(
            parent
                .http
                .get(format!("{}{path}", parent.url))
                .header("cofferdam-owner", value)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn keys(&self, parent: &Parent) -> Vec<ReceiptBundle> {
        let body = self.ask(parent, "/v1/keys", "/v1/keys").await.unwrap();
        cbor::decode(&body, 1 << 20).unwrap()
    }
}
