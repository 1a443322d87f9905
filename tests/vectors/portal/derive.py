"""Vectors of docs/crypto.md sections 3 to 5, from Python's standard library alone: python3 derive.py > derive.json"""

import base64
import hashlib
import hmac
import json
import struct


def hkdf(key, info, length):
    """RFC 5869 with SHA-256 and an empty salt."""
    prk = hmac.new(bytes(32), key, hashlib.sha256).digest()
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        out += block
        counter += 1
    return out[:length]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


K = bytes(range(32))
VIEW = bytes(range(100, 116))
SECRET = bytes(range(200, 216))
TOKEN = bytes(range(50, 82))
NONCE = bytes(range(12))
BODY = b'{"version":0}'

proof = (
    b"portal/request/v1\0"
    + hashlib.sha256(TOKEN).digest()
    + struct.pack("<Q", 1_790_000_000_123)
    + NONCE
    + hashlib.sha256(BODY).digest()
    + b"POST /v1/portals/AAAAAAAAAAAAAAAAAAAAAA/leases?x=1"
)
text = json.dumps({"entry": 1, "before": ""}, separators=(",", ":"))

print(json.dumps({
    "epochKey": K.hex(),
    "view": VIEW.hex(),
    "viewKey": hkdf(K, b"portal/view/v1" + VIEW, 32).hex(),
    "nameKey": hkdf(K, b"portal/name/v1", 32).hex(),
    "writerDomain": hkdf(K, b"portal/convergence/v1", 32).hex(),
    "linkSecret": b64(b"\0" + SECRET),
    "linkBytes": SECRET.hex(),
    "linkAuthSeed": hkdf(SECRET, b"portal/link/auth/v1", 32).hex(),
    "linkIdentitySecret": hkdf(SECRET, b"portal/link/encryption/v1", 32).hex(),
    "token": TOKEN.hex(),
    "nonce": NONCE.hex(),
    "timeMs": 1_790_000_000_123,
    "body": BODY.decode(),
    "method": "POST",
    "target": "/v1/portals/AAAAAAAAAAAAAAAAAAAAAA/leases?x=1",
    "requestMessage": proof.hex(),
    "auditText": text,
    "auditHash": hashlib.sha256(b"portal/audit/v1\0" + text.encode()).hexdigest(),
}, indent=2))
