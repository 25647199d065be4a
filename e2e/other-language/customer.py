"""The customer's side of a key: wrapping.md and import.md for its owner, session.md for the app that uses it."""

import os
import time
from types import SimpleNamespace

from cryptography.hazmat.primitives.asymmetric import ec

from encoding import H, context_list, cose_key, decode, encode, pad, recipient_id, require, sha256, sign1, thumbprint
from sealing import X_WING, Hpke, seal_layer, xaes_open, xaes_seal

# Numbers of messages.md.
ED25519_KIND, EC_P256_KIND = 7, 4
SIGN_CLASS = 1
SIGN = 1
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


# --- Sessions ---------------------------------------------------------------------------------------------------------

def grant(owner, proof, partition, keys, actions, app, not_after, epoch, now):
    """COSE_Sign1 by the owner: this app may do `actions` with `keys`."""
    audience = [1, thumbprint(cose_key(app.public_key()))]
    body = encode([1, proof.binding.group, cose_key(owner.public_key()), partition, keys, actions, audience, now, not_after,
                   epoch])
    return sign1(owner, "grant", body)


class Session:
    """A session that the enclave of a proven Binding has accepted. `post(path, body)` gives the answer's body."""

    def __init__(self, proof, app, grants, post):
        self.post = post
        self.group = proof.binding.group
        session_key = proof.binding.session[0]
        app_key = cose_key(app.public_key())
        info = [self.group, recipient_id(X_WING, session_key), thumbprint(app_key), [H("grant-id", g) for g in grants]]
        hpke_info = context_list("session", encode(info))
        enc, sender = Hpke.to(session_key, hpke_info)
        self.request_key = sender.export(context_list("session/request-key"))
        self.answer_key = sender.export(context_list("session/answer-key"))
        signed = sign1(app, "session-open", context_list("session-open", hpke_info, enc))
        opening = encode([info, enc, sender.seal(b"", encode([app_key, grants, signed]))])
        asked = time.monotonic()
        accepted = post("/v1/sessions", opening)
        aad = context_list("session/accept", self.group, sha256(opening))
        now_ms, self.ticket, _ = decode(xaes_open(self.answer_key, aad, accepted), 16384)
        require(len(self.ticket) <= 8192, "SES-1")
        self.enclave_ms = lambda: now_ms + int((time.monotonic() - asked) * 1000)
        self.ticket_id = H("ticket-id", self.ticket)

    def ask(self, operation):
        """[1, outcome] or [2, code]."""
        plain = encode([os.urandom(16), self.enclave_ms() + 30_000, operation])
        aad = context_list("request", self.ticket_id, self.group)
        request = encode([self.ticket, xaes_seal(self.request_key, aad, plain)])
        answer = self.post("/v1/requests", request)
        aad = context_list("answer", self.ticket_id, self.group, sha256(request))
        return decode(xaes_open(self.answer_key, aad, answer), 65536)

    def sign(self, key, message):
        """(signature, None) or (None, code)."""
        kind, what = self.ask([SIGN, key.id, key.algorithm, [1, message]])
        if kind == 2:
            return None, what
        require(what[0] == 1, "SES-3")
        return what[1], None
