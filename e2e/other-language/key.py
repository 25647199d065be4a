"""The owner's side of docs/protocol/import.md and wrapping.md: a key sealed in two layers, and what its receipt must say."""

import os
from types import SimpleNamespace

from cryptography.hazmat.primitives.asymmetric import ec

from encoding import H, cose_key, encode, pad, recipient_id, sign1
from sealing import seal_layer

ED25519_KIND, EC_P256_KIND = 7, 4
SIGN_CLASS = 1
ECDSA_SHA256, ED25519 = 7, 10
MODE_PARENT = 1


def key_material(private):
    """(kind, algorithms, COSE_Key with the private part, COSE_Key without)."""
    public = cose_key(private.public_key())
    if isinstance(private, ec.EllipticCurvePrivateKey):
        secret = private.private_numbers().private_value.to_bytes(32, "big")
        return EC_P256_KIND, [ECDSA_SHA256], public | {-4: secret}, public
    return ED25519_KIND, [ED25519], public | {-4: private.private_bytes_raw()}, public


def wrap(proof, recipients, suite, owner, partition, private, service, interval_s, now):
    """The sealed import, the registration that belongs to it, and the receipt to expect.

    `recipients` are the two public keys whose possession was proven; `service` is [host, status root].
    """
    provider, tee = recipients
    owner_key = cose_key(owner.public_key())
    kind, algorithms, cose, public = key_material(private)
    policy = [kind, SIGN_CLASS, algorithms]
    terms = [interval_s, 0, False, 1]
    token, release = os.urandom(32), os.urandom(32)
    group = proof.binding.group

    revocation = encode([1, [[*service, token]], terms])
    created, not_after = now, now + 86400
    header = encode([1, suite, suite, MODE_PARENT, group, owner_key, partition, kind, SIGN_CLASS,
                     recipient_id(suite, tee), recipient_id(suite, provider), proof.transcript, created, not_after])
    control = encode([os.urandom(32), owner_key, partition, policy, [1, [[*service, token]], terms], None, "made in Python"])
    material = encode([os.urandom(32), encode(cose)])
    payload = encode([control, material, release])

    bound = H("header", header)
    vendor_layer = seal_layer(suite, tee, "layer/vendor", bound, header, pad(payload, 512))
    provider_layer = seal_layer(suite, provider, "layer/provider", bound, header, vendor_layer)
    statement = encode([header, H("vendor-layer-hash", vendor_layer), H("control", control), H("material", material),
                        H("revocation", revocation, release)])
    key_id = H("key-id", statement)
    return SimpleNamespace(
        id=key_id,
        sent=encode([sign1(owner, "statement", statement), provider_layer]),
        statement=statement,
        provider_layer=provider_layer,
        times=(created, not_after),
        algorithm=algorithms[0],
        handle=H("handle", token)[:16],
        token_hash=H("token", token),
        release=release,
        receipt={
            "key": key_id,
            "group": group,
            "partition": H("partition-id", group, encode(owner_key), partition),
            "transcript": proof.transcript,
            "policy": policy,
            "public_key": encode(public),
            "check_value": None,
            "terms": terms,
            "hard_end": None,
            "escrow": proof.binding.escrow,
            "epoch": proof.binding.epoch,
        },
    )
