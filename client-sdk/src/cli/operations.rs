//! `coffer sign`, `verify`, `encrypt`, `decrypt`, `mac`.
//!
//! Files of any size can be signed: what is longer than one request carries is hashed here and signed as a digest.

use cofferdam_wire::id::KeyId;
use cofferdam_wire::kind::{Action, Algorithm, KeyKind};
use cofferdam_wire::limits;
use cofferdam_wire::operation::Input;
use serde_json::json;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::args::{EcdsaForm, Operation};
use super::context::{Context, read_input};
use super::failure::Failure;
use super::output::{Shown, write_result};
use crate::crypto::verify_ops::{ecdsa_from_der, ecdsa_to_der};
use crate::session::Session;
use crate::transport::Client;

pub(super) async fn sign(context: &Context, options: &Operation) -> Result<Shown, Failure> {
    let input = to_be_signed(options)?;
    let (key, session) = open(context, options, Action::Sign).await?;
    let signature = session.sign(key, options.alg, input).await?;
    write_result(&options.out, &written(options, signature)?)?;
    Ok(Shown::nothing())
}

pub(super) async fn verify(context: &Context, options: &Operation) -> Result<Shown, Failure> {
    let missing = || {
        Failure::new(
            "usage",
            "give the signature or MAC to verify with --signature FILE",
        )
    };
    let signature = read_input(options.signature.as_deref().ok_or_else(missing)?)?.to_vec();
    let is_mac = matches!(
        options.alg,
        Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512
    );
    let verdict = if is_mac {
        let data = read_input(&options.input)?.to_vec();
        let (key, session) = open(context, options, Action::Verify).await?;
        session
            .verify_mac(key, options.alg, data, signature)
            .await?
    } else {
        let input = to_be_signed(options)?;
        let signature = read(options, signature)?;
        let (key, session) = open(context, options, Action::Verify).await?;
        session.verify(key, options.alg, input, signature).await?
    };
    if verdict {
        Ok(Shown::new(json!({ "valid": true }), "valid"))
    } else {
        Err(Failure::new(
            "invalid",
            "the signature or MAC is not valid for this file, key and algorithm",
        ))
    }
}

pub(super) async fn encrypt(context: &Context, options: &Operation) -> Result<Shown, Failure> {
    let (aad, data) = (additional(options)?, read_input(&options.input)?);
    let (key, session) = open(context, options, Action::Encrypt).await?;
    write_result(
        &options.out,
        &session
            .encrypt(key, options.alg, aad, data.to_vec())
            .await?,
    )?;
    Ok(Shown::nothing())
}

pub(super) async fn decrypt(context: &Context, options: &Operation) -> Result<Shown, Failure> {
    let (aad, data) = (additional(options)?, read_input(&options.input)?);
    let (key, session) = open(context, options, Action::Decrypt).await?;
    write_result(
        &options.out,
        &session
            .decrypt(key, options.alg, aad, data.to_vec())
            .await?,
    )?;
    Ok(Shown::nothing())
}

pub(super) async fn mac(context: &Context, options: &Operation) -> Result<Shown, Failure> {
    let data = read_input(&options.input)?;
    let (key, session) = open(context, options, Action::Mac).await?;
    write_result(
        &options.out,
        &session.mac(key, options.alg, data.to_vec()).await?,
    )?;
    Ok(Shown::nothing())
}

/// The curve of an ECDSA algorithm.
fn curve(algorithm: Algorithm) -> Option<KeyKind> {
    match algorithm {
        Algorithm::EcdsaSha256 => Some(KeyKind::EcP256),
        Algorithm::EcdsaSha384 => Some(KeyKind::EcP384),
        Algorithm::EcdsaSha512 => Some(KeyKind::EcP521),
        _ => None,
    }
}

/// A signature of the enclave as it goes into a file.
fn written(options: &Operation, signature: Vec<u8>) -> Result<Vec<u8>, Failure> {
    match curve(options.alg) {
        Some(curve) if options.ecdsa == EcdsaForm::Der => ecdsa_to_der(curve, &signature)
            .ok_or_else(|| Failure::new("malformed", "the enclave's signature has another length")),
        _ => Ok(signature),
    }
}

/// A signature out of a file as the enclave reads it.
fn read(options: &Operation, signature: Vec<u8>) -> Result<Vec<u8>, Failure> {
    match curve(options.alg) {
        Some(curve) if options.ecdsa == EcdsaForm::Der => {
            let sentence = "the signature is not DER; if it is r || s, say --ecdsa raw";
            ecdsa_from_der(curve, &signature).ok_or_else(|| Failure::new("malformed", sentence))
        }
        _ => Ok(signature),
    }
}

async fn open(
    context: &Context,
    options: &Operation,
    action: Action,
) -> Result<(KeyId, Session<Client>), Failure> {
    let key = context.key(&options.key)?;
    let (grant, app_key) = (options.grant.as_deref(), options.app_key.as_deref());
    let session = context
        .session(
            &key,
            &[action],
            options.partition.as_deref(),
            grant,
            app_key,
        )
        .await?;
    Ok((key, session))
}

fn additional(options: &Operation) -> Result<Vec<u8>, Failure> {
    options.aad.as_deref().map_or(Ok(Vec::new()), |path| {
        read_input(path).map(|bytes| bytes.to_vec())
    })
}

/// The file itself if one request carries it, else its digest; Ed25519 signs messages only.
fn to_be_signed(options: &Operation) -> Result<Input, Failure> {
    let message = read_input(&options.input)?;
    if message.len() <= limits::OPERATION_DATA {
        return Ok(Input::Message(message.to_vec()));
    }
    use Algorithm::*;
    let digest = match options.alg {
        RsaPkcs1Sha256 | RsaPssSha256 | EcdsaSha256 => Sha256::digest(&*message).to_vec(),
        RsaPkcs1Sha384 | RsaPssSha384 | EcdsaSha384 => Sha384::digest(&*message).to_vec(),
        RsaPkcs1Sha512 | RsaPssSha512 | EcdsaSha512 => Sha512::digest(&*message).to_vec(),
        algorithm => {
            let sentence = format!(
                "{algorithm} takes at most {} bytes, and the file has {}",
                limits::OPERATION_DATA,
                message.len()
            );
            return Err(Failure::new("too-large", sentence));
        }
    };
    Ok(Input::Digest(digest))
}
