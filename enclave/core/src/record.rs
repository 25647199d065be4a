//! Stored records: sealing at import, opening at load. The parent keeps them and can do nothing to them but lose them.
//!
//! Every load recomputes the key id, verifies the owner's signature and compares both hashes (T-77): whoever holds the
//! group key can seal what he likes, but not what the owner signed.

use crate::crypto::secret::{Plaintext, Secret32};
use crate::crypto::signature::verify_sign1;
use crate::crypto::{Failed, kdf, xaes};
use crate::io::Entropy;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::{Digest, GroupId, KeyId, PartitionId};
use cofferdam_wire::import::{Control, ImportHeader, Statement, control_hash, material_hash};
use cofferdam_wire::record::{Part, StoredRecord, part_info};
use cofferdam_wire::{Code, cbor, context, limits};

/// A record whose statement, signature and control were checked. The material is still sealed.
pub(crate) struct LoadedRecord {
    /// What the owner signed.
    pub(crate) header: ImportHeader,
    /// Whose it is.
    pub(crate) partition: PartitionId,
    /// What governs it.
    pub(crate) control: Control,
    group: GroupId,
    key: KeyId,
    material_hash: Digest,
    material: Vec<u8>,
}

/// Nonces of the two parts, drawn by the owner thread.
pub(crate) struct RecordNonces {
    control: [u8; xaes::NONCE],
    material: [u8; xaes::NONCE],
}

impl RecordNonces {
    /// Draws both.
    pub(crate) fn draw(entropy: &mut dyn Entropy) -> Self {
        let mut nonces = Self {
            control: [0; xaes::NONCE],
            material: [0; xaes::NONCE],
        };
        entropy.fill(&mut nonces.control);
        entropy.fill(&mut nonces.material);
        nonces
    }
}

/// Seals a record. `release_secrets` is empty for a key without R.
pub(crate) fn seal(
    group: &GroupId,
    group_key: &Secret32,
    signed_statement: Vec<u8>,
    key: &KeyId,
    parts: (&[u8], &[u8], &[u8]),
    nonces: &RecordNonces,
) -> Result<Vec<u8>, Failed> {
    let (control, material, release_secrets) = parts;
    let with_release = !release_secrets.is_empty();
    let seal_part = |part, secrets: &[u8], nonce, plaintext: &[u8]| {
        let info = part_info(part, group, key, with_release);
        let key = xaes::Key::new(&kdf::derive(&[group_key.expose(), secrets], &info))?;
        key.seal_with_nonce(nonce, &info, plaintext)
    };
    let record = StoredRecord {
        statement: signed_statement,
        control: seal_part(Part::Control, &[], &nonces.control, control)?,
        material: seal_part(Part::Material, release_secrets, &nonces.material, material)?,
    };
    Ok(cbor::encode(&record))
}

/// Loads a record that the parent brought for `key`. One code for everything that is wrong with it.
pub(crate) fn load(
    group: &GroupId,
    group_key: &Secret32,
    key: &KeyId,
    record: &[u8],
) -> Result<LoadedRecord, Code> {
    let refused = |_| Code::RecordRefused;
    let record: StoredRecord = cbor::decode(record, limits::RECORD).map_err(refused)?;
    let signed = CoseSign1::from_bytes(&record.statement, limits::STATEMENT).map_err(refused)?;
    // REC-1
    if KeyId::of(&signed.payload) != *key {
        return Err(Code::RecordRefused);
    }
    let statement: Statement = cbor::decode(&signed.payload, limits::STATEMENT).map_err(refused)?;
    let header: ImportHeader =
        cbor::decode(&statement.header, limits::IMPORT_HEADER).map_err(refused)?;
    // REC-2
    if !verify_sign1(&header.owner, context::STATEMENT, &signed) {
        return Err(Code::RecordRefused);
    }
    // REC-3
    if header.group != *group {
        return Err(Code::RecordRefused);
    }
    let (control, with_release) =
        open_control(group, group_key, key, &record).ok_or(Code::RecordRefused)?;
    // REC-4
    if control_hash(control.expose()) != statement.control {
        return Err(Code::RecordRefused);
    }
    let control: Control = cbor::decode(control.expose(), limits::CONTROL).map_err(refused)?;
    // REC-5
    if control.owner != header.owner
        || control.partition != header.partition
        || control.policy.kind != header.kind
        || control.policy.class != header.class
        || control.revocation.is_some() != with_release
    {
        return Err(Code::RecordRefused);
    }
    Ok(LoadedRecord {
        partition: header.partition_id(),
        header,
        control,
        group: *group,
        key: *key,
        material_hash: statement.material,
        material: record.material,
    })
}

/// The info says whether the record has release secrets, and the record does not say it in clear: try both.
fn open_control(
    group: &GroupId,
    group_key: &Secret32,
    key: &KeyId,
    record: &StoredRecord,
) -> Option<(Plaintext, bool)> {
    [true, false].into_iter().find_map(|with_release| {
        let info = part_info(Part::Control, group, key, with_release);
        let sealing = xaes::Key::new(&kdf::derive(&[group_key.expose()], &info)).ok()?;
        let opened = sealing.open_with_nonce(&info, &record.control).ok()?;
        Some((opened, with_release))
    })
}

impl LoadedRecord {
    /// Opens the material with the release secrets, in R's order; none for a key without R.
    pub(crate) fn open_material(
        &self,
        group_key: &Secret32,
        releases: &[Secret32],
    ) -> Result<Plaintext, Failed> {
        let info = part_info(
            Part::Material,
            &self.group,
            &self.key,
            self.control.revocation.is_some(),
        );
        let mut ikm: Vec<&[u8]> = vec![group_key.expose()];
        ikm.extend(releases.iter().map(|release| release.expose().as_slice()));
        let opened =
            xaes::Key::new(&kdf::derive(&ikm, &info))?.open_with_nonce(&info, &self.material)?;
        // REC-6
        if material_hash(opened.expose()) != self.material_hash {
            return Err(Failed);
        }
        Ok(opened)
    }
}
