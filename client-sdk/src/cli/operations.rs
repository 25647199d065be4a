//! `coffer sign`, `verify`, `encrypt`, `decrypt`, `mac`, `hash`, `random`.
//!
//! Files of any size can be signed: what is longer than one request carries is hashed here and signed as a digest.

use std::path::Path;

use cofferdam_wire::id::KeyId;
use cofferdam_wire::kind::{Action, Algorithm};
use cofferdam_wire::operation::Input;
use cofferdam_wire::{Code, limits};
use serde_json::json;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::access::{self, Purpose};
use super::args::{
    self, Decrypt, EcdsaForm, Encrypt, Hash, KeylessAccess, Mac, Random, Sign, Verify, curve,
};
use super::context::{Context, read_input};
use super::failure::Failure;
use super::output::{Encoding, Privacy, Shown, deliver, deliver_text};
use crate::crypto::verify_ops::{ecdsa_from_der, ecdsa_to_der};
use crate::session::Session;
use crate::transport::Client;

pub(super) async fn sign(context: &Context, options: &Sign) -> Result<Shown, Failure> {
    let (alg, out) = (options.alg, options.out.as_deref());
    let key = allowed(context, &options.access, Action::Sign, alg)?;
    let input = to_be_signed(&options.input, alg)?;
    let session = open(context, key, &options.access, Action::Sign).await?;
    let signature = written(options, session.sign(key, alg, input).await?)?;
    made_by(
        key,
        alg,
        context,
        out,
        Privacy::Public,
        ("signature", &signature),
    )
}

pub(super) async fn verify(context: &Context, options: &Verify) -> Result<Shown, Failure> {
    let alg = options.alg;
    let key = allowed(context, &options.access, Action::Verify, alg)?;
    let signature = read_input(&options.signature)?.to_vec();
    let is_mac = matches!(
        alg,
        Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512
    );
    let verdict = if is_mac {
        let data = read_input(&options.input)?.to_vec();
        let session = open(context, key, &options.access, Action::Verify).await?;
        session.verify_mac(key, alg, data, signature).await?
    } else {
        let signature = read(options, signature)?;
        let input = to_be_signed(&options.input, alg)?;
        let session = open(context, key, &options.access, Action::Verify).await?;
        session.verify(key, alg, input, signature).await?
    };
    if !verdict {
        let sentence = "the signature or MAC is not valid for this file, key and algorithm";
        return Err(Failure::new("invalid", sentence));
    }
    let verdict = json!({ "key": key.to_string(), "algorithm": alg.slug(), "valid": true });
    deliver_text(
        context.global().json,
        options.out.as_deref(),
        Shown::new(verdict, "valid"),
    )
}

pub(super) async fn encrypt(context: &Context, options: &Encrypt) -> Result<Shown, Failure> {
    let (alg, out) = (options.alg, options.out.as_deref());
    let key = allowed(context, &options.access, Action::Encrypt, alg)?;
    let aad = additional(options.aad.as_deref())?;
    let data = read_input(&options.input)?.to_vec();
    access::check_oaep(context, &key, alg, data.len())?;
    let session = open(context, key, &options.access, Action::Encrypt).await?;
    let ciphertext = session.encrypt(key, alg, aad, data).await?;
    made_by(
        key,
        alg,
        context,
        out,
        Privacy::Public,
        ("ciphertext", &ciphertext),
    )
}

pub(super) async fn decrypt(context: &Context, options: &Decrypt) -> Result<Shown, Failure> {
    let (alg, out) = (options.alg, options.out.as_deref());
    let key = allowed(context, &options.access, Action::Decrypt, alg)?;
    let aad = additional(options.aad.as_deref())?;
    let data = read_input(&options.input)?.to_vec();
    let session = open(context, key, &options.access, Action::Decrypt).await?;
    let plaintext = session.decrypt(key, alg, aad, data).await?;
    made_by(
        key,
        alg,
        context,
        out,
        Privacy::Private,
        ("plaintext", &plaintext),
    )
}

pub(super) async fn mac(context: &Context, options: &Mac) -> Result<Shown, Failure> {
    let (alg, out) = (options.alg, options.out.as_deref());
    let key = allowed(context, &options.access, Action::Mac, alg)?;
    let data = read_input(&options.input)?.to_vec();
    let session = open(context, key, &options.access, Action::Mac).await?;
    let mac = session.mac(key, alg, data).await?;
    made_by(key, alg, context, out, Privacy::Public, ("mac", &mac))
}

pub(super) async fn hash(context: &Context, options: &Hash) -> Result<Shown, Failure> {
    let data = read_input(&options.input)?.to_vec();
    let session = open_keyless(context, Action::Hash, &options.access).await?;
    let hash = session.hash(options.alg, data).await?;
    deliver(
        context.global().json,
        options.out.as_deref(),
        Privacy::Public,
        json!({ "algorithm": options.alg.slug() }),
        ("hash", &hash, Encoding::Hex),
    )
}

pub(super) async fn random(context: &Context, options: &Random) -> Result<Shown, Failure> {
    let session = open_keyless(context, Action::Random, &options.access).await?;
    let bytes = session.random(options.bytes).await?;
    deliver(
        context.global().json,
        options.out.as_deref(),
        Privacy::Private,
        json!({}),
        ("random", &bytes, Encoding::Hex),
    )
}

/// Brings what a key made to where it was asked for.
fn made_by(
    key: KeyId,
    algorithm: Algorithm,
    context: &Context,
    out: Option<&Path>,
    privacy: Privacy,
    (name, bytes): (&str, &[u8]),
) -> Result<Shown, Failure> {
    let facts = json!({ "key": key.to_string(), "algorithm": algorithm.slug() });
    let result = (name, bytes, Encoding::Base64);
    deliver(context.global().json, out, privacy, facts, result)
}

/// The key, if this machine knows nothing that speaks against it.
fn allowed(
    context: &Context,
    access: &args::Access,
    action: Action,
    algorithm: Algorithm,
) -> Result<KeyId, Failure> {
    let key = context.key(&access.key)?;
    access::check_key(context, &key, action, algorithm)?;
    Ok(key)
}

async fn open(
    context: &Context,
    key: KeyId,
    options: &args::Access,
    action: Action,
) -> Result<Session<Client>, Failure> {
    access::session(context, &Purpose::with_key(action, key, options)).await
}

async fn open_keyless(
    context: &Context,
    action: Action,
    options: &KeylessAccess,
) -> Result<Session<Client>, Failure> {
    access::session(context, &Purpose::keyless(action, options)).await
}

/// A signature of the enclave as it goes into a file.
fn written(options: &Sign, signature: Vec<u8>) -> Result<Vec<u8>, Failure> {
    match curve(options.alg) {
        Some(curve) if options.ecdsa != Some(EcdsaForm::Raw) => ecdsa_to_der(curve, &signature)
            .ok_or_else(|| Failure::new("malformed", "the enclave's signature has another length")),
        _ => Ok(signature),
    }
}

/// A signature out of a file as the enclave reads it.
fn read(options: &Verify, signature: Vec<u8>) -> Result<Vec<u8>, Failure> {
    match curve(options.alg) {
        Some(curve) if options.ecdsa != Some(EcdsaForm::Raw) => {
            let sentence = "the signature is not DER; if it is r || s, say --ecdsa raw";
            ecdsa_from_der(curve, &signature).ok_or_else(|| Failure::new("malformed", sentence))
        }
        _ => Ok(signature),
    }
}

fn additional(aad: Option<&Path>) -> Result<Vec<u8>, Failure> {
    aad.map_or(Ok(Vec::new()), |path| {
        read_input(path).map(|bytes| bytes.to_vec())
    })
}

/// The file itself if one request carries it, else its digest; Ed25519 signs messages only.
fn to_be_signed(input: &Path, algorithm: Algorithm) -> Result<Input, Failure> {
    let message = read_input(input)?;
    if message.len() <= limits::OPERATION_DATA {
        return Ok(Input::Message(message.to_vec()));
    }
    use Algorithm::*;
    let digest = match algorithm {
        RsaPkcs1Sha256 | RsaPssSha256 | EcdsaSha256 => Sha256::digest(&*message).to_vec(),
        RsaPkcs1Sha384 | RsaPssSha384 | EcdsaSha384 => Sha384::digest(&*message).to_vec(),
        RsaPkcs1Sha512 | RsaPssSha512 | EcdsaSha512 => Sha512::digest(&*message).to_vec(),
        algorithm => {
            let sentence = format!(
                "{algorithm} takes at most {} bytes, and the file has {}",
                limits::OPERATION_DATA,
                message.len()
            );
            return Err(Failure::refusal(Code::TooLarge, sentence));
        }
    };
    Ok(Input::Digest(digest))
}
