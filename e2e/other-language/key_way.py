"""The whole way of two keys by a customer who has the pages of docs/protocol, Python, and none of our code.

    python key_way.py READY.JSON [VECTORS DIRECTORY]

Works against `cofferdam-sim up --dir DIR` (DIR/ready.json). Proves the enclave, wraps a P-256 key in suite 2 and an Ed25519
key in suite 1, registers, imports and activates them, compares the receipts, signs in a session, revokes one. In between it
does what must be refused. Exit code 0 only if everything was as the pages say.
"""

import base64
import http.client
import json
import os
import ssl
import sys
import time
import urllib.parse

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from customer import SIGN, Session, grant, wrap
from encoding import Refused, cose_key, decode, ecdsa_verifies, encode, sign1
from proof import Trust, prove_possession, verify_proof, verify_receipt
from sealing import RSA_OAEP, X_WING
from vectors import check_vectors

INTERVAL_S = 5
BOUND_S = INTERVAL_S + 2


class Problem(Exception):
    """A refusal over HTTP (RFC 9457)."""

    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body[:200]!r}")
        self.code = json.loads(body)["code"] if body.startswith(b"{") else None


class Https:
    """Requests to one address, under one pinned CA."""

    def __init__(self, url, ca, token_file=None):
        self.host = urllib.parse.urlsplit(url).netloc
        self.tls = ssl.create_default_context(cafile=ca)
        self.headers = {}
        if token_file:
            with open(token_file, encoding="ascii") as f:
                self.headers["authorization"] = "Bearer " + f.read().strip()

    def ask(self, method, path, body=None, kind="application/cbor"):
        connection = http.client.HTTPSConnection(self.host, context=self.tls, timeout=150)
        try:
            connection.request(method, path, body, self.headers | ({"content-type": kind} if body else {}))
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status not in (200, 201, 204):
            raise Problem(response.status, data)
        return data

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, body=b""):
        return self.ask("POST", path, body)

    def post_json(self, path, value=None):
        body = json.dumps(value).encode() if value is not None else None
        return json.loads(self.ask("POST", path, body, "application/json"))


def say(text):
    print(f"  {text}", flush=True)


def now_s():
    return int(time.time())


def must_be_refused(what, expected, attempt):
    """`attempt` must raise: a check's id of ours, or a code of theirs."""
    try:
        attempt()
    except Refused as e:
        found = e.check
    except Problem as e:
        found = e.code
    else:
        raise AssertionError(f"{what}: was taken, and should have been refused with {expected}")
    assert found == expected, f"{what}: refused with {found}, expected {expected}"
    say(f"refused, as it must be: {what} ({expected})")


def load_private(path):
    with open(path, "rb") as f:
        return serialization.load_pem_private_key(f.read(), None)


def proven(parent, trust):
    nonce = os.urandom(32)
    data = parent.get(f"/v1/evidence?nonce={nonce.hex()}")
    return verify_proof(trust, data, nonce, now_s()), data, nonce


def changed(data, part):
    """The proof with one bit of one of its parts turned over: 0 Binding, 1 Evidence, 2 genesis, 4 vendor statement."""
    enclave, keys, vendor = decode(data, 131072)
    flip = lambda b: b[:-1] + bytes([b[-1] ^ 1])
    if part < 3:
        enclave[part] = flip(enclave[part])
    else:
        vendor = flip(vendor)
    return encode([enclave, keys, vendor])


def refuse_bad_proofs(trust, ready, data, nonce):
    other = Trust(ready["trust_file"])
    other.root = other.root[:-1] + bytes([other.root[-1] ^ 1])
    attempt = lambda t, d, n, at=0: lambda: verify_proof(t, d, n, now_s() + at)
    must_be_refused("Evidence for another nonce", "ATT-35", attempt(trust, data, os.urandom(32)))
    must_be_refused("Evidence under another root", "ATT-19", attempt(other, data, nonce))
    must_be_refused("a Binding that the Evidence is not for", "ATT-36", attempt(trust, changed(data, 0), nonce))
    must_be_refused("Evidence with another signature", "ATT-28", attempt(trust, changed(data, 1), nonce))
    must_be_refused("a statement that the vendor did not sign", "PRF-8", attempt(trust, changed(data, 4), nonce))
    must_be_refused("Evidence a year later", "ATT-21", attempt(trust, data, nonce, 366 * 86400))


def register(registrar, key, group, owner):
    registration = registrar.post_json("/v1/registrations", {
        "handle": key.handle.hex(),
        "token_hash": key.token_hash.hex(),
        "release_secret": base64.b64encode(key.release).decode(),
        "group": group.hex(),
        "owner": encode(cose_key(owner.public_key())).hex(),
    })
    assert registration["state"] == "pending", registration


def refuse_bad_imports(parent, key, owner):
    parts = decode(key.statement, 2048)
    other_layer = encode([sign1(owner, "statement", encode([parts[0], bytes(32), *parts[2:]])), key.provider_layer])
    stranger = ed25519.Ed25519PrivateKey.generate()
    foreign = encode([sign1(stranger, "statement", key.statement), key.provider_layer])
    header = decode(parts[0], 1024)
    header[4] = bytes(32)
    group = encode([sign1(owner, "statement", encode([encode(header), *parts[1:]])), key.provider_layer])
    post = lambda body: lambda: parent.post("/v1/imports", body)
    must_be_refused("an import cut short", 1, post(key.sent[:-1]))
    must_be_refused("an import that its owner did not sign", 9, post(foreign))
    must_be_refused("a statement about another vendor layer", 6, post(other_layer))
    must_be_refused("a header changed after sealing", 6, post(group))


def verify_signature(private, signature, message):
    public = private.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        ecdsa_verifies(public, signature, message, hashes.SHA256())
    else:
        public.verify(signature, message)


def sign_and_verify(session, key, private, message):
    signature, code = session.sign(key, message)
    assert code is None, f"code {code}"
    verify_signature(private, signature, message)
    try:
        verify_signature(private, signature, message + b".")
    except InvalidSignature:
        return len(signature)
    raise AssertionError("the signature fits another message too")


def revoke_and_see(admin, session, key):
    """After the call has returned: no request that is sent later than the bound is served."""
    registration = admin.post_json(f"/v1/registrations/{key.handle.hex()}/revoke")
    returned = time.monotonic()
    assert registration["state"] == "revoked", registration
    served = 0
    while True:
        sent = time.monotonic() - returned
        _, code = session.sign(key, b"after the revocation")
        if code == 18:
            return served, sent
        assert code in (None, 16), f"code {code}"
        if code is None:
            assert sent <= BOUND_S, f"served {sent:.1f} s after the revocation"
            served += 1
        assert sent <= 120, "no word of the revocation within two minutes"
        time.sleep(0.25)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        ready = json.load(f)
    if len(sys.argv) > 2:
        for line in check_vectors(sys.argv[2]):
            say(line)
    parent = Https(ready["parent_url"], ready["provider_ca"])
    registrar = Https(ready["revocation_url"], ready["revocation_ca"], ready["revocation_registrar_token_file"])
    admin = Https(ready["revocation_url"], ready["revocation_ca"], ready["revocation_admin_token_file"])
    owner, app = load_private(ready["owner_key"]), load_private(ready["app_key"])
    trust = Trust(ready["trust_file"])

    proof, data, nonce = proven(parent, trust)
    say(f"proof of {len(data)} bytes verified, group {proof.binding.group.hex()[:16]}")
    refuse_bad_proofs(trust, ready, data, nonce)

    service = [ready["revocation_url"].removeprefix("https://"), decode(bytes.fromhex(ready["revocation_status_root"]), 128)]
    keys = []
    for name, suite, private in (
        ("P-256", RSA_OAEP, ec.generate_private_key(ec.SECP256R1())),
        ("Ed25519", X_WING, ed25519.Ed25519PrivateKey.generate()),
    ):
        proof, *_ = proven(parent, trust)
        ask = lambda challenge: parent.post("/v1/challenges", challenge)
        recipients = prove_possession(proof, suite, now_s(), ask)
        key = wrap(proof, recipients, suite, owner, ready["partition"], private, service, INTERVAL_S, now_s())
        say(f"{name}: both private keys are there; sealed in suite {suite}, {len(key.sent)} bytes, key {key.id.hex()[:16]}")
        register(registrar, key, proof.binding.group, owner)
        refuse_bad_imports(parent, key, owner)
        for _ in range(2):
            bundle = parent.post("/v1/imports", key.sent)
            verify_receipt(trust, bundle, key.receipt, key.times, proof.statement.sequence)
        must_be_refused("a receipt that says another interval", "RCP-6", lambda: verify_receipt(
            trust, bundle, key.receipt | {"terms": [60, 0, False, 1]}, key.times, proof.statement.sequence))
        registration = registrar.post_json(f"/v1/registrations/{key.handle.hex()}/activate")
        assert registration["state"] == "active", registration
        say(f"{name}: imported twice to the same key, every field of the receipt compared, activated")
        keys.append((name, key, private, registration["grant_epoch"]))

    ids = [key.id for _, key, *_ in keys]
    now = now_s()
    for_both = grant(owner, proof, ready["partition"], ids, [SIGN], app, now + 3600, keys[0][3], now)
    stranger = ed25519.Ed25519PrivateKey.generate()
    must_be_refused("a session of an app that no grant names", 19, lambda: Session(proof, stranger, [for_both], parent.post))
    session = Session(proof, app, [for_both], parent.post)
    for name, key, private, _ in keys:
        length = sign_and_verify(session, key, private, b"signed by a key that only the enclave has")
        say(f"{name}: signature of {length} bytes, verified outside")
    _, code = session.sign(type(keys[0][1])(id=bytes(32), algorithm=7), b"x")
    assert code == 11, f"a key that the grant does not name: code {code}"

    (revoked_name, revoked, *_), (name, other, private, _) = keys
    served, after = revoke_and_see(admin, session, revoked)
    say(f"{revoked_name}: revoked; {served} requests were still served, none sent more than {BOUND_S} s later; code 18 after {after:.1f} s")
    sign_and_verify(session, other, private, b"still there")
    say(f"{name}: still signs")


if __name__ == "__main__":
    main()
