"""What is sealed: HPKE with X-Wing, the layers of docs/protocol/wrapping.md in both suites, XAES-256-GCM.

Of the library `cryptography` it takes ML-KEM-768, X25519, RSA-OAEP, HKDF, CMAC and AES-GCM. HPKE is written out, since the
commitments and the session keys need its exporter. Opening serves the vectors and sessions; every failure is one Refused.
"""

import hmac
import os
from hashlib import sha3_256, shake_256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import mlkem, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from encoding import Refused, context_list, decode, encode, recipient_id, require, sha256

X_WING, RSA_OAEP = 1, 2


def _extract(salt, secret):
    return hmac.digest(salt or bytes(32), secret, "sha256")


def _expand(secret, info, length):
    return HKDFExpand(hashes.SHA256(), length, info).derive(secret)


def hkdf(secret, info):
    return _expand(_extract(b"", secret), info, 32)


# --- X-Wing -----------------------------------------------------------------------------------------------------------

def _combine(kem_secret, x_secret, x_cipher, x_public):
    return sha3_256(kem_secret + x_secret + x_cipher + x_public + bytes.fromhex("5c2e2f2f5e5c")).digest()


def x_wing_encapsulate(public):
    kem_public, x_public = public[:1184], public[1184:]
    kem_secret, kem_cipher = mlkem.MLKEM768PublicKey.from_public_bytes(kem_public).encapsulate()
    ephemeral = x25519.X25519PrivateKey.generate()
    x_cipher = ephemeral.public_key().public_bytes_raw()
    x_secret = ephemeral.exchange(x25519.X25519PublicKey.from_public_bytes(x_public))
    return kem_cipher + x_cipher, _combine(kem_secret, x_secret, x_cipher, x_public)


class XWingPrivate:
    """An X-Wing key from its 32-byte seed."""

    def __init__(self, seed):
        expanded = shake_256(seed).digest(96)
        self.kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        self.x = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
        self.x_public = self.x.public_key().public_bytes_raw()
        self.public = self.kem.public_key().public_bytes_raw() + self.x_public

    def decapsulate(self, enc):
        require(len(enc) == 1120, "unwrap-failed")
        x_secret = self.x.exchange(x25519.X25519PublicKey.from_public_bytes(enc[1088:]))
        return _combine(self.kem.decapsulate(enc[:1088]), x_secret, enc[1088:], self.x_public)


# --- HPKE, base mode (RFC 9180) ---------------------------------------------------------------------------------------

class Hpke:
    """One side after its setup. Seals or opens once, since nothing here needs a second message."""

    ID = b"HPKE" + bytes.fromhex("647a00010002")

    def __init__(self, shared, info):
        base = b"\x00" + self._extract(b"", b"psk_id_hash", b"") + self._extract(b"", b"info_hash", info)
        secret = self._extract(shared, b"secret", b"")
        self.key = self._expand(secret, b"key", base, 32)
        self.nonce = self._expand(secret, b"base_nonce", base, 12)
        self.exporter = self._expand(secret, b"exp", base, 32)

    @classmethod
    def to(cls, public, info):
        enc, shared = x_wing_encapsulate(public)
        return enc, cls(shared, info)

    def _extract(self, salt, label, ikm):
        return _extract(salt, b"HPKE-v1" + self.ID + label + ikm)

    def _expand(self, secret, label, info, length):
        return _expand(secret, length.to_bytes(2, "big") + b"HPKE-v1" + self.ID + label + info, length)

    def export(self, context):
        return self._expand(self.exporter, b"sec", context, 32)

    def seal(self, aad, plaintext):
        return AESGCM(self.key).encrypt(self.nonce, plaintext, aad)

    def open(self, aad, ciphertext):
        return _gcm_open(self.key, self.nonce, aad, ciphertext)


def _gcm_open(key, nonce, aad, ciphertext):
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag as e:
        raise Refused("unwrap-failed") from e


# --- Layers -----------------------------------------------------------------------------------------------------------

OAEP_HASH = hashes.SHA256()


def _oaep(label):
    return padding.OAEP(padding.MGF1(OAEP_HASH), OAEP_HASH, label)


def seal_layer(suite, public, context, bound, aad, plaintext):
    """[suite, recipient id, enc, commitment, ciphertext], encoded."""
    info = context_list(context, bound)
    if suite == X_WING:
        enc, sender = Hpke.to(public, info)
        commitment = sender.export(context_list("layer/commitment", info))
        ciphertext = sender.seal(aad, plaintext)
    else:
        numbers = decode(public, 1024)
        n, e = (int.from_bytes(numbers[label], "big") for label in (-1, -2))
        secret = os.urandom(32)
        enc = rsa.RSAPublicNumbers(e, n).public_key().encrypt(secret, _oaep(info))
        key, commitment = _rsa_derived(secret, info, enc)
        ciphertext = AESGCM(key).encrypt(bytes(12), plaintext, aad)
    return encode([suite, recipient_id(suite, public), enc, commitment, ciphertext])


def _rsa_derived(secret, info, enc):
    return tuple(hkdf(secret, context_list(f"layer/{use}", info, sha256(enc))) for use in ("key", "commitment"))


def open_layer(private, own_id, context, bound, aad, layer):
    """The plaintext, or Refused("unwrap-failed"). `private` is an XWingPrivate or an RSA key of `cryptography`."""
    info = context_list(context, bound)
    suite, recipient, enc, commitment, ciphertext = decode(layer, 20480)
    require(recipient == own_id, "unwrap-failed")
    require(suite == (X_WING if isinstance(private, XWingPrivate) else RSA_OAEP), "unwrap-failed")
    if suite == X_WING:
        receiver = Hpke(private.decapsulate(enc), info)
        require(hmac.compare_digest(receiver.export(context_list("layer/commitment", info)), commitment), "unwrap-failed")
        return receiver.open(aad, ciphertext)
    try:
        secret = private.decrypt(enc, _oaep(info))
    except ValueError as e:
        raise Refused("unwrap-failed") from e
    key, expected = _rsa_derived(secret, info, enc)
    require(hmac.compare_digest(expected, commitment), "unwrap-failed")
    return _gcm_open(key, bytes(12), aad, ciphertext)


# --- XAES-256-GCM (C2SP) ----------------------------------------------------------------------------------------------

def _xaes(key, nonce):
    """The AES-GCM key and nonce of one message."""
    half = b""
    for counter in (1, 2):
        mac = CMAC(algorithms.AES256(key))
        mac.update(bytes([0, counter]) + b"X\x00" + nonce[:12])
        half += mac.finalize()
    return half, nonce[12:]


def xaes_seal(key, aad, plaintext):
    nonce = os.urandom(24)
    derived, rest = _xaes(key, nonce)
    return nonce + AESGCM(derived).encrypt(rest, plaintext, aad)


def xaes_open(key, aad, sealed):
    derived, rest = _xaes(key, sealed[:24])
    return _gcm_open(derived, rest, aad, sealed[24:])
