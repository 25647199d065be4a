"""The app's side of docs/protocol/session.md: grants, an opened session, sealed requests and answers."""

import os
import time

from encoding import H, context_list, cose_key, decode, encode, recipient_id, require, sha256, sign1, thumbprint
from sealing import Hpke, X_WING, xaes_open, xaes_seal

SIGN, PUBLIC_KEY = 1, 6


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
