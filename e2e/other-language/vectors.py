"""Our own constructions against vectors/*.json, before anybody is talked to."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from encoding import PREFIX, Refused, recipient_id
from sealing import RSA_OAEP, X_WING, XWingPrivate, open_layer


def read(directory, name):
    return json.loads((Path(directory) / name).read_text(encoding="utf-8"))


def check_layers(file):
    seeded = XWingPrivate(bytes.fromhex(file["xwing"]["seed"]))
    assert seeded.public.hex() == file["xwing"]["public"], "the public X-Wing key of the seed"
    rsa = load_pem_private_key(file["rsa"]["pkcs8_pem"].encode(), None)
    keys = {
        X_WING: (seeded, recipient_id(X_WING, seeded.public)),
        RSA_OAEP: (rsa, recipient_id(RSA_OAEP, bytes.fromhex(file["rsa"]["public_cose_key"]))),
    }

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


def check_vectors(directory):
    yield check_layers(read(directory, "layers.json"))
