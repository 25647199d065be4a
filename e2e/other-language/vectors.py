"""Our own constructions against vectors/*.json, before anybody is talked to."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from encoding import H, PREFIX, Refused, decode, encode, pad, recipient_id, thumbprint, verify1
from sealing import RSA_OAEP, X_WING, XWingPrivate, open_layer


def read(directory, name):
    return json.loads((Path(directory) / name).read_text(encoding="utf-8"))


def private_key(keys):
    """(private key, recipient id) of one entry of layers.json or import.json."""
    if "seed" in keys:
        private = XWingPrivate(bytes.fromhex(keys["seed"]))
        assert private.public.hex() == keys["public"], "the public X-Wing key of the seed"
        return private, recipient_id(X_WING, private.public)
    public = keys.get("public") or keys["public_cose_key"]
    return load_pem_private_key(keys["pkcs8_pem"].encode(), None), recipient_id(RSA_OAEP, bytes.fromhex(public))


def check_layers(file):
    keys = {X_WING: private_key(file["xwing"]), RSA_OAEP: private_key(file["rsa"])}

    def opened(case):
        bound, aad, layer = (bytes.fromhex(case[field]) for field in ("bound", "aad", "layer"))
        return open_layer(*keys[int(case["suite"])], case["context"].removeprefix(PREFIX), bound, aad, layer)

    for case in file["valid"]:
        assert opened(case).hex() == case["plaintext"], case["context"]
    for case in file["invalid"]:
        try:
            opened(case)
        except Refused as e:
            assert e.check == "unwrap-failed", case["defect"]
        else:
            raise AssertionError(f"opened in spite of {case['defect']}")
    return f"vectors/layers.json: {len(file['valid'])} layers open, {len(file['invalid'])} do not, as written"


def check_import(case, keys):
    """From the posted bytes inwards, and every hash on the way; then what the receipt says of it."""
    of = lambda field: bytes.fromhex(case[field])
    owner, instance = (decode(bytes.fromhex(case[who]["cose_key"]), 128) for who in ("owner", "instance"))
    signed, provider_layer = decode(of("import"), 24576)
    assert signed == of("signed_statement")
    statement = verify1(owner, "statement", signed, 2048, "IMP-7")
    header, *hashes = decode(statement, 2048)
    bound = H("header", header)
    keys = {"provider": keys["provider"], "vendor": keys["tee"]}
    opened = lambda who, layer: open_layer(*private_key(keys[who]), f"layer/{who}", bound, header, layer)
    vendor_layer = opened("provider", provider_layer)
    padded = opened("vendor", vendor_layer)
    control, material, release = decode(of("payload"), 12288)
    assert padded == pad(of("payload"), 512) and control == of("control") and material == of("material")
    revocation = encode(decode(control, 4096)[4])
    assert hashes == [H("vendor-layer-hash", vendor_layer), H("control", control), H("material", material),
                      H("revocation", revocation, release)]
    assert H("key-id", statement) == of("key_id")
    for service in case["services"]:
        token = bytes.fromhex(service["token"])
        assert (H("handle", token)[:16].hex(), H("token", token).hex()) == (service["handle"], service["token_hash"])
    receipt = decode(verify1(instance, "receipt", of("signed_receipt"), 4096, "RCP-4"), 4096)
    fields, controls = decode(header, 1024), decode(control, 4096)
    partition = H("partition-id", fields[4], encode(fields[5]), fields[6])
    assert receipt[1:6] == [of("key_id"), fields[4], partition, fields[11], controls[3]]
    assert receipt[8:10] == [controls[4][2], controls[5]] and receipt[13] == thumbprint(instance)


def check_imports(file):
    for case in file["valid"]:
        check_import(case, file["keys"][f"suite_{case['suite']}"])
    return f"vectors/import.json: {len(file['valid'])} imports taken apart, every step as written"


def check_vectors(directory):
    yield check_layers(read(directory, "layers.json"))
    yield check_imports(read(directory, "import.json"))
