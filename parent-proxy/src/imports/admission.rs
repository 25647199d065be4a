//! The checks of an import that the parent makes, each with an id that stands in docs/protocol/http.md.
//!
//! | check | what | code |
//! |---|---|---|
//! | PRX-1 | the request, statement, header and layer decode strictly within their limits | `malformed`, `too-large` |
//! | PRX-2 | version 1, and the outer layer is the parent's to take off | `unsupported-version` |
//! | PRX-3 | the owner is admitted | `unauthorized` |
//! | PRX-4 | the header names a provider key that is here, in its suite | `unknown-recipient` |
//! | PRX-5 | the owner signed the statement | `bad-signature` |
//! | PRX-6 | the layer is sealed to the key and in the suite that the header names, and opens | `unwrap-failed` |
//! | PRX-7 | what comes out is the vendor layer that the statement names | `unwrap-failed` |

use crate::config::Admission;
use crate::provider_keys::ProviderKeys;
use cofferdam::crypto::signing::verify_sign1;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::{KeyId, PartitionId, Thumbprint};
use cofferdam_wire::import::{
    ImportHeader, ImportRequest, Statement, header_hash, vendor_layer_hash,
};
use cofferdam_wire::kind::WrapMode;
use cofferdam_wire::layer::Layer;
use cofferdam_wire::{Code, cbor, context, limits};

/// An import whose statement was signed by an owner that is admitted. Only [`Admitted::check`] makes one.
pub(super) struct Admitted {
    pub(super) key: KeyId,
    pub(super) owner: Thumbprint,
    pub(super) partition: PartitionId,
    signed_statement: Vec<u8>,
    statement: Statement,
    header: ImportHeader,
    layer: Layer,
}

impl Admitted {
    /// PRX-1 to PRX-5.
    pub(super) fn check(
        request: &[u8],
        admission: &Admission,
        keys: &dyn ProviderKeys,
    ) -> Result<Self, Code> {
        let request: ImportRequest = cbor::decode(request, limits::IMPORT)?;
        let signed = CoseSign1::from_bytes(&request.statement, limits::STATEMENT)?;
        let statement: Statement = cbor::decode(&signed.payload, limits::STATEMENT)?;
        let header: ImportHeader = cbor::decode(&statement.header, limits::IMPORT_HEADER)?;
        let layer: Layer = cbor::decode(&request.layer, limits::LAYER)?;
        if header.version != 1 || header.mode != WrapMode::Parent {
            return Err(Code::UnsupportedVersion);
        }
        let owner = header.owner.thumbprint();
        if !admission.admits(&owner) {
            return Err(Code::Unauthorized);
        }
        let named = keys
            .public()
            .iter()
            .find(|key| key.id() == header.provider_key);
        if named.is_none_or(|key| key.suite != header.provider_suite) {
            return Err(Code::UnknownRecipient);
        }
        verify_sign1(&header.owner, context::STATEMENT, &signed).map_err(|_| Code::BadSignature)?;
        Ok(Self {
            key: KeyId::of(&signed.payload),
            owner,
            partition: header.partition_id(),
            signed_statement: request.statement,
            statement,
            header,
            layer,
        })
    }

    /// PRX-6 and PRX-7: the same import with the vendor layer, for the enclave. Blocks.
    pub(super) fn peel(self, keys: &dyn ProviderKeys) -> Result<ImportRequest, Code> {
        let (layer, header) = (&self.layer, &self.header);
        if layer.recipient != header.provider_key || layer.suite != header.provider_suite {
            return Err(Code::UnwrapFailed);
        }
        let bound = header_hash(&self.statement.header);
        let vendor_layer = keys
            .open(
                context::LAYER_PROVIDER,
                &bound.0,
                &self.statement.header,
                layer,
            )
            .map_err(|_| Code::UnwrapFailed)?;
        if vendor_layer_hash(&vendor_layer) != self.statement.vendor_layer {
            return Err(Code::UnwrapFailed);
        }
        Ok(ImportRequest {
            statement: self.signed_statement,
            layer: vendor_layer.to_vec(),
        })
    }
}
