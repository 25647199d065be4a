"""The bytes of docs/protocol/encoding.md: deterministic CBOR, hashes with contexts, COSE.

Trusts nobody: whatever is decoded here came over the network. Refuses every encoding but the one that a value has;
attestation documents, which are not ours, may use maps and arrays of indefinite length, and nothing else beside.
"""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature


class Refused(Exception):
    """A check of a page that did not hold. `check` is its id."""

    def __init__(self, check, why=""):
        super().__init__(f"{check}: {why}" if why else check)
        self.check = check


def require(holds, check, why=""):
    if not holds:
        raise Refused(check, why)


# --- CBOR -------------------------------------------------------------------------------------------------------------

def _head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << 8 * size:
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")
    raise ValueError("a number of more than 64 bits")


def encode(value):
    """The deterministic encoding (RFC 8949, 4.2) of ints, bytes, str, lists, dicts, bools and None."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        pairs = sorted((encode(k), encode(v)) for k, v in value.items())
        return _head(5, len(pairs)) + b"".join(k + v for k, v in pairs)
    raise TypeError(type(value))


class _Reader:
    """Decodes one value. `foreign` admits indefinite maps and arrays, and maps in any order."""

    def __init__(self, data, foreign):
        self.data, self.at, self.foreign = data, 0, foreign

    def take(self, n):
        require(self.at + n <= len(self.data), "CBOR-3", "cut short")
        self.at += n
        return self.data[self.at - n:self.at]

    def value(self, depth=0):
        require(depth < 16, "CBOR-3", "too deep")
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if first in (0xF4, 0xF5, 0xF6):
            return {0xF4: False, 0xF5: True, 0xF6: None}[first]
        endless = info == 31 and major in (4, 5) and self.foreign
        if endless:
            n = None
        elif info < 24:
            n = info
        else:
            require(info <= 27, "CBOR-5", "a length of no known form")
            size = 1 << info - 24
            n = int.from_bytes(self.take(size), "big")
            require(n >= (24 if size == 1 else 1 << 4 * size), "CBOR-5", "not the shortest form")
        if major == 0:
            return n
        if major == 1:
            return -1 - n
        if major == 2:
            return self.take(n)
        if major == 3:
            try:
                return self.take(n).decode()
            except UnicodeDecodeError as e:
                raise Refused("CBOR-3", "text that is not UTF-8") from e
        if major == 4:
            return [self.value(depth + 1) for _ in self.items(n)]
        require(major == 5, "CBOR-3", "tags, floats and other simple values have no place here")
        found = {}
        for _ in self.items(n):
            key = self.value(depth + 1)
            require(isinstance(key, (int, str)) and key not in found, "ATT-07" if self.foreign else "CBOR-5", "map key")
            found[key] = self.value(depth + 1)
        return found

    def items(self, n):
        """Yields once for each item of an array or map; with n = None until the break."""
        done = 0
        while n is None or done < n:
            if n is None and self.data[self.at:self.at + 1] == b"\xff":
                self.at += 1
                return
            done += 1
            yield done


def decode(data, limit):
    """One of our own messages: at most `limit` bytes, and no other encoding than encode() gives."""
    require(len(data) <= limit, "CBOR-2")
    reader = _Reader(data, foreign=False)
    value = reader.value()
    require(reader.at == len(data), "CBOR-4")
    require(encode(value) == data, "CBOR-5")
    return value


def decode_foreign(data):
    """A part of an attestation document."""
    reader = _Reader(data, foreign=True)
    value = reader.value()
    require(reader.at == len(data), "ATT-05")
    return value


# --- Hashes and ids ---------------------------------------------------------------------------------------------------

PREFIX = "cofferdam/v1/"


def context_list(context, *items):
    """What is hashed, or given as info, label or additional data."""
    return encode([PREFIX + context, *items])


def H(context, *items):
    return hashlib.sha256(context_list(context, *items)).digest()


def sha256(data):
    return hashlib.sha256(data).digest()


def pad(data, step):
    return data + b"\x80" + bytes(-(len(data) + 1) % step)


def recipient_id(suite, public):
    return H("recipient", suite, public)


def thumbprint(cose_key):
    return H("thumbprint", encode(cose_key))


# --- COSE -------------------------------------------------------------------------------------------------------------

def cose_key(public):
    """The COSE_Key of a public key of the library `cryptography`: Ed25519, P-256 or RSA."""
    if isinstance(public, ed25519.Ed25519PublicKey):
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {1: 1, -1: 6, -2: raw}
    n = public.public_numbers()
    return {1: 2, -1: 1, -2: n.x.to_bytes(32, "big"), -3: n.y.to_bytes(32, "big")}


def verifying_key(cose):
    if cose.keys() == {1, -1, -2} and (cose[1], cose[-1]) == (1, 6):
        return ed25519.Ed25519PublicKey.from_public_bytes(cose[-2])
    require(cose.keys() == {1, -1, -2, -3} and (cose[1], cose[-1]) == (2, 1), "COSE-4")
    x, y = (int.from_bytes(cose[label], "big") for label in (-2, -3))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def ecdsa_verifies(public, signature, message, hash_algorithm):
    """ECDSA with the signature as r || s."""
    half = len(signature) // 2
    der = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    public.verify(der, message, ec.ECDSA(hash_algorithm))


def _to_be_signed(protected, context, payload):
    return encode(["Signature1", protected, (PREFIX + context).encode(), payload])


def sign1(private, context, payload):
    edwards = isinstance(private, ed25519.Ed25519PrivateKey)
    protected = encode({1: -8 if edwards else -7})
    message = _to_be_signed(protected, context, payload)
    if edwards:
        signature = private.sign(message)
    else:
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return encode([protected, {}, payload, signature])


def verify1(cose, context, message, limit, check):
    """The payload of a COSE_Sign1 that the holder of `cose` signed under `context`."""
    parts = decode(message, limit)
    require(isinstance(parts, list) and len(parts) == 4, "COSE-1")
    protected, unprotected, payload, signature = parts
    require(unprotected == {}, "COSE-3")
    require(len(signature) == 64, "COSE-1")
    public = verifying_key(cose)
    edwards = isinstance(public, ed25519.Ed25519PublicKey)
    require(protected == encode({1: -8 if edwards else -7}), "COSE-2")
    signed = _to_be_signed(protected, context, payload)
    try:
        if edwards:
            public.verify(signature, signed)
        else:
            ecdsa_verifies(public, signature, signed, hashes.SHA256())
    except InvalidSignature as e:
        raise Refused(check, f"signature under {context}") from e
    return payload
