"""What a customer verifies before a wrap and before a session: docs/protocol/evidence.md and proof.md, and the receipts of import.md.

Believes a trust file, its own nonces, its clock and what it remembers of this run. Everything from the provider is
refused with the id of the first check that it breaks.
"""

import base64
import datetime
import hashlib
import hmac
import os
import tomllib
from types import SimpleNamespace

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from encoding import (H, Refused, context_list, decode, decode_foreign, ecdsa_verifies, encode, recipient_id, require, sha256,
                      thumbprint, verify1, verifying_key)
from sealing import X_WING, seal_layer

SKEW_S = 300
DAY_S = 86400
IMAGE_BOUNDS = [5, 604800, 3600, 34300800]


class Trust:
    """A trust file, and what this run has seen: the group of its name and the vendor's highest sequence."""

    def __init__(self, path):
        with open(path, "rb") as f:
            file = tomllib.load(f)
        known = {"version", "name", "attestation_root", "vendor_key", "provider_ca", "group", "vendor_statement_max_age_s",
                 "suites", "measurements"}
        # Whoever names a vendor's address, validators or a provider wants that looked at (PRF-24 to PRF-26), which this client does not.
        assert file.keys() <= known and file["version"] == 1, "a trust file of another kind"
        self.root = base64.b64decode(file["attestation_root"])
        self.vendor = decode(bytes.fromhex(file["vendor_key"]), 128)
        self.group = bytes.fromhex(file["group"]) if "group" in file else None
        self.statement_age_s = file.get("vendor_statement_max_age_s", 7 * DAY_S)
        self.suites = file.get("suites", [1, 2])
        self.measurements = None
        if "measurements" in file:
            self.measurements = [([bytes.fromhex(m[f"pcr{i}"]) for i in range(3)], m.get("until_s"))
                                 for m in file["measurements"]]
        self.highest_sequence = 0


# --- Evidence ---------------------------------------------------------------------------------------------------------

def _certificate(der):
    require(1 <= len(der) <= 1024, "ATT-15")
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.extensions
    except ValueError as e:
        raise Refused("ATT-18") from e
    require(certificate.version is x509.Version.v3, "ATT-18")
    return certificate


def _extension(certificate, kind):
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _verify_path(path, at):
    """`path` runs from the pinned root to the leaf."""
    when = datetime.datetime.fromtimestamp(at, datetime.UTC)
    for depth, certificate in enumerate(path):
        issuer = path[max(depth - 1, 0)]
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as e:
            raise Refused("ATT-19") from e
        require(certificate.not_valid_before_utc <= when, "ATT-20")
        require(when < certificate.not_valid_after_utc, "ATT-21")
        public = certificate.public_key()
        require(isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP384R1), "ATT-22")
        require(isinstance(certificate.signature_hash_algorithm, hashes.SHA384), "ATT-22")
        basic, usage = (_extension(certificate, kind) for kind in (x509.BasicConstraints, x509.KeyUsage))
        leaf = depth == len(path) - 1
        require((basic is not None and basic.ca) != leaf, "ATT-23")
        if not leaf and basic.path_length is not None:
            require(len(path) - 2 - depth <= basic.path_length, "ATT-24")
        require(usage is not None and (usage.digital_signature if leaf else usage.key_cert_sign), "ATT-25")
        for extension in certificate.extensions:
            if isinstance(extension.value, x509.ExtendedKeyUsage):
                require(ExtendedKeyUsageOID.CLIENT_AUTH in extension.value, "ATT-26")
            known = isinstance(extension.value, (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage))
            require(known or not (extension.critical or isinstance(extension.value, x509.NameConstraints)), "ATT-26")


def verify_evidence(document, root, at, user_data, nonce=None, public_key=None):
    """All PCRs, the measurement [PCR0, PCR1, PCR2] and the time in seconds. `at` None judges the document at its own time.

    `nonce` None expects nothing of the nonce; `public_key` None expects that there is none.
    """
    require(1 <= len(document) <= 16384, "ATT-01")
    body = document[1:] if document[:1] == b"\xd2" else document
    parts = decode_foreign(body)
    require(isinstance(parts, list) and len(parts) == 4 and body[:1] == b"\x84", "ATT-02")
    protected, unprotected, payload, signature = parts
    require(protected == bytes.fromhex("a1013822"), "ATT-03")
    require(unprotected == {}, "ATT-04")
    fields = decode_foreign(payload)
    require(isinstance(fields, dict), "ATT-06")
    needed = {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"}
    require(fields.keys() <= needed | {"public_key", "user_data", "nonce"}, "ATT-08")
    require(needed <= fields.keys(), "ATT-09")
    require(0 < len(fields["module_id"]) <= 256 and fields["module_id"].isascii(), "ATT-10")
    require(fields["digest"] == "SHA384", "ATT-11")
    require(fields["timestamp"] > 0, "ATT-12")
    pcrs = fields["pcrs"]
    require(1 <= len(pcrs) <= 32 and all(0 <= i < 32 for i in pcrs), "ATT-13")
    require(all(len(value) == 48 for value in pcrs.values()), "ATT-14")
    require(1 <= len(fields["cabundle"]) <= 7, "ATT-16")
    require(all(len(fields.get(f) or b"") <= 1024 for f in ("public_key", "user_data", "nonce")), "ATT-17")

    made = fields["timestamp"] // 1000
    at = made if at is None else at
    require(fields["cabundle"][0] == root, "ATT-19")
    path = [_certificate(der) for der in [*fields["cabundle"], fields["certificate"]]]
    require(len({certificate.subject for certificate in path}) == len(path), "ATT-27")
    _verify_path(path, at)
    leaf = path[-1]
    require(len(signature) == 96, "ATT-28")
    try:
        ecdsa_verifies(leaf.public_key(), signature, encode(["Signature1", protected, b"", payload]), hashes.SHA384())
    except InvalidSignature as e:
        raise Refused("ATT-28") from e
    require(leaf.not_valid_before_utc.timestamp() <= made < leaf.not_valid_after_utc.timestamp(), "ATT-29")
    require(made <= at + 60, "ATT-30")

    require({0, 1, 2} <= pcrs.keys(), "ATT-31")
    require(all(any(pcrs[i]) for i in range(3)), "ATT-32")
    require(nonce is None or fields.get("nonce") == nonce, "ATT-35")
    require(fields.get("user_data") == user_data, "ATT-36")
    require(fields.get("public_key") == public_key, "ATT-37")
    return pcrs, [pcrs[i] for i in range(3)], made


# --- The parts of the proof -------------------------------------------------------------------------------------------

def verify_statement(trust, signed, at):
    """The vendor's word: PRF-8 and PRF-9. Whether it is the latest one (PRF-10) is looked at last."""
    payload = verify1(trust.vendor, "vendor-statement", signed, 8192, "PRF-8")
    version, sequence, issued, not_after, images, providers = decode(payload, 8192)
    require(version == 1, "PRF-9")
    require(issued <= at + SKEW_S and at < not_after and not_after - issued <= 90 * DAY_S, "PRF-9")
    require(at - issued <= trust.statement_age_s, "PRF-9")
    return SimpleNamespace(sequence=sequence, images=images, providers=providers)


def acceptable(trust, statement, measurement, at):
    lists = [[(image[0], image[1]) for image in statement.images]]
    if trust.measurements is not None:
        lists.append(trust.measurements)
    for entries in lists:
        untils = [until for known, until in entries if known == measurement]
        if not untils or any(until is not None and at >= until for until in untils):
            return False
    return True


def verify_signer(statement, measurement, pcrs):
    signers = [signer for known, _, signer, _ in statement.images if known == measurement and signer is not None]
    require(all(pcrs.get(8) == signer for signer in signers), "PRF-20")


def epochs(statement, measurement):
    return [epoch for known, _, _, epoch in statement.images if known == measurement]


def verify_provider(statement, provider_keys, pcrs):
    """The keys offered are those of one provider of the vendor's table, and this is its enclave."""
    require(1 <= len(provider_keys) <= 4, "PRF-17")
    offered = {recipient_id(suite, public) for suite, public in provider_keys}
    require(offered <= {key_id for _, ids, _ in statement.providers for key_id in ids}, "PRF-17")
    named = [(ids, roles) for _, ids, roles in statement.providers if offered & set(ids)]
    require(len(named) == 1 and offered <= set(named[0][0]), "PRF-22")
    roles = named[0][1]
    require(not roles or pcrs.get(3) in roles, "PRF-23")


def verify_binding(trust, data, evidence, at, nonce):
    """PRF-2 to PRF-7: the Evidence, and the Binding that it is for."""
    names = "version group chain_sequence chain_head epoch measurements escrow instance setup session tee bounds".split()
    binding = SimpleNamespace(**dict(zip(names, decode(data, 12288), strict=True)), encoded=data)
    instance = verifying_key(binding.instance)
    spki = instance.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    user_data = hashlib.sha384(context_list("binding", data)).digest()
    pcrs, measurement, made = verify_evidence(evidence, trust.root, at, user_data, nonce, spki)
    binding.pcrs, binding.measurement = pcrs, measurement
    require(binding.version == 1 and binding.instance.keys() == {1, -1, -2}, "PRF-6")
    require(binding.chain_sequence > 0 or binding.chain_head == H("chain", binding.group), "PRF-6")
    require(1 <= len(binding.measurements) <= 16 and binding.measurements == sorted(binding.measurements), "PRF-6")
    require(len(binding.setup) == len(binding.session[0]) == 1216, "PRF-6")
    require(binding.session[1] <= made + DAY_S + SKEW_S, "PRF-6")
    for suite, public, not_after, epoch in binding.tee:
        require(suite in (1, 2) and epoch == binding.epoch and not_after <= made + 30 * DAY_S + SKEW_S, "PRF-6")
        require(len(public) == 1216 if suite == X_WING else decode(public, 1024).keys() == {1, -1, -2}, "PRF-6")
    low, *high = binding.bounds
    require(low >= IMAGE_BOUNDS[0] and all(mine <= most for mine, most in zip(high, IMAGE_BOUNDS[1:])), "PRF-6")
    require(measurement in binding.measurements, "PRF-7")
    return binding, made


def verify_genesis(trust, record, binding, statement):
    """PRF-12 to PRF-15: the group's birth certificate."""
    body, evidence = decode(record, 38912)
    require(H("group-id", body) == binding.group, "PRF-12")
    user_data = hashlib.sha384(context_list("genesis", body)).digest()
    pcrs, measurement, made = verify_evidence(evidence, trust.root, None, user_data, nonce=binding.group)
    require(acceptable(trust, statement, measurement, made), "PRF-14")
    verify_signer(statement, measurement, pcrs)
    born = max(epochs(statement, measurement))
    require(all(min(epochs(statement, admitted)) >= born for admitted in binding.measurements), "PRF-21")
    version, _, officers, threshold, escrow, shares, _ = decode(body, 20480)
    keys = [encode(signing) for signing, _ in officers] + [sealing for _, sealing in officers]
    require(version == 1 and 3 <= len(officers) <= 10 and len(set(keys)) == 2 * len(officers), "PRF-15")
    require(2 <= threshold <= len(officers) - 1 and len(shares) == len(officers) and escrow == binding.escrow, "PRF-15")


def verify_proof(trust, data, nonce, at):
    """PRF-1 to PRF-17 and PRF-20 to PRF-23. What comes back is proven, but for the possession of its keys."""
    (binding_data, evidence, genesis), provider_keys, vendor = decode(data, 131072)
    binding, made = verify_binding(trust, binding_data, evidence, at, nonce)
    statement = verify_statement(trust, vendor, at)
    require(statement.sequence >= trust.highest_sequence, "PRF-10")
    trust.highest_sequence = statement.sequence
    require(all(acceptable(trust, statement, m, made) for m in binding.measurements), "PRF-11")
    verify_genesis(trust, genesis, binding, statement)
    verify_signer(statement, binding.measurement, binding.pcrs)
    verify_provider(statement, provider_keys, binding.pcrs)
    require(trust.group in (None, binding.group), "PRF-16")
    trust.group = binding.group
    transcript = H("transcript", nonce, binding_data, evidence, vendor, encode(provider_keys), None)
    return SimpleNamespace(binding=binding, statement=statement, provider_keys=provider_keys, transcript=transcript)


# --- Possession -------------------------------------------------------------------------------------------------------

def prove_possession(proof, suite, at, ask):
    """PRF-18 and PRF-19. `ask` posts a challenge. The public keys (provider's, TEE's) that a wrap may use."""
    provider = next(public for s, public in proof.provider_keys if s == suite)
    offered = [(not_after, public) for s, public, not_after, _ in proof.binding.tee if s == suite and at < not_after]
    tee = max(offered)[1]
    for public, check in ((provider, "PRF-18"), (tee, "PRF-19")):
        secret, own_id = os.urandom(32), recipient_id(suite, public)
        challenge = seal_layer(suite, public, "challenge", own_id, b"", encode([secret, proof.transcript]))
        expected = hmac.digest(secret, context_list("challenge-reply", proof.transcript, own_id, sha256(challenge)), "sha256")
        require(hmac.compare_digest(ask(challenge), expected), check)
    return provider, tee


# --- Receipts ---------------------------------------------------------------------------------------------------------

RECEIPT = ("version key group partition transcript policy public_key check_value terms hard_end escrow epoch "
           "imported instance").split()


def verify_receipt(trust, data, expected, header_times, sequence):
    """RCP-1 to RCP-7. `expected` has every field of the receipt but version, imported and instance."""
    signed, binding_data, evidence, vendor = decode(data, 65536)
    binding, made = verify_binding(trust, binding_data, evidence, None, None)
    payload = verify1(binding.instance, "receipt", signed, 4096, "RCP-4")
    receipt = dict(zip(RECEIPT, decode(payload, 4096), strict=True))
    require(receipt.pop("version") == 1, "RCP-1")
    imported = receipt.pop("imported")
    statement = verify_statement(trust, vendor, imported)
    require(all(acceptable(trust, statement, m, made) for m in binding.measurements), "RCP-3")
    verify_signer(statement, binding.measurement, binding.pcrs)
    require(receipt.pop("instance") == thumbprint(binding.instance) and receipt["group"] == binding.group, "RCP-4")
    require(abs(imported - made) <= 3600 + SKEW_S, "RCP-5")
    require(receipt.keys() == expected.keys(), "RCP-6")
    for field, value in expected.items():
        require(receipt[field] == value, "RCP-6", field)
    created, not_after = header_times
    require(created - SKEW_S <= imported <= not_after + SKEW_S and statement.sequence >= sequence, "RCP-7")
    return imported
