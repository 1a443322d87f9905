"""Makes keys.json: an account's keys (docs/crypto.md §1) and key rings, without any code of Warp.

    python3 keys.py > keys.json

Needs Python 3.11 and `cryptography` 44 (Ed25519, X25519, Argon2id, ChaCha20-Poly1305). BIP-39, HKDF,
bech32 and MessagePack are written out here, from their specifications.
"""

import hashlib
import hmac
import json
import pathlib
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

LIST = (pathlib.Path(__file__).parent / "../bip39/wordlist/english.txt").read_text().split()


def words_of(entropy):
    bits = "".join(f"{byte:08b}" for byte in entropy)
    bits += f"{hashlib.sha256(entropy).digest()[0]:08b}"[: len(entropy) // 4]
    return " ".join(LIST[int(bits[at : at + 11], 2)] for at in range(0, len(bits), 11))


def hkdf(key, info):
    """RFC 5869, SHA-256, empty salt, one block."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, info.encode() + b"\x01", "sha256")


def bech32(prefix, data):
    """BIP-173."""
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]

    def polymod(items):
        check = 1
        for item in items:
            top = check >> 25
            check = (check & 0x1FFFFFF) << 5 ^ item
            for i, part in enumerate([0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3]):
                check ^= part if top >> i & 1 else 0
        return check

    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = polymod(expanded + values + [0] * 6) ^ 1
    sums = [check >> 5 * (5 - i) & 31 for i in range(6)]
    return prefix + "1" + "".join(letters[value] for value in values + sums)


def public_of(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def age_keys(secret):
    public = X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    return bech32("age-secret-key-", secret).upper(), bech32("age", public)


def device_of(seed, number):
    signing = hkdf(seed, f"portal/device/{number}/auth/v1")
    secret = hkdf(seed, f"portal/device/{number}/encryption/v1")
    identity, recipient = age_keys(secret)
    return {
        "number": number,
        "signing_seed": signing.hex(),
        "key": public_of(signing).hex(),
        "encryption_secret": secret.hex(),
        "identity": identity,
        "recipient": recipient,
    }


def account_of(entropy, numbers):
    words = words_of(entropy)
    seed = hashlib.pbkdf2_hmac("sha512", words.encode(), b"mnemonic", 2048, 64)
    signing, secret = hkdf(seed, "portal/signing/v1"), hkdf(seed, "portal/encryption/v1")
    identity, recipient = age_keys(secret)
    return {
        "entropy": entropy.hex(),
        "words": words,
        "seed": seed.hex(),
        "signing_seed": signing.hex(),
        "account": public_of(signing).hex(),
        "account_id": bech32("portal", public_of(signing)),
        "encryption_secret": secret.hex(),
        "identity": identity,
        "recipient": recipient,
        "convergence_secret": hkdf(seed, "portal/convergence/v1").hex(),
        "devices": [device_of(seed, number) for number in numbers],
    }


def pack(value):
    """As much of MessagePack as records need."""
    if isinstance(value, list):
        return bytes([0x90 | len(value)]) + b"".join(pack(item) for item in value)
    if isinstance(value, bytes):
        return b"\xc4" + bytes([len(value)]) + value
    if isinstance(value, str):
        text = value.encode()
        return (bytes([0xA0 | len(text)]) if len(text) < 32 else b"\xd9" + bytes([len(text)])) + text
    if value < 128:
        return bytes([value])
    return b"\xcf" + struct.pack(">Q", value)


def ring_of(account, at_ms, passphrase, memory, passes, lanes):
    """docs: the head of actors/portal/key_ring.ts."""
    device = account["devices"][0]
    signer = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(account["signing_seed"]))
    key = bytes.fromhex(account["account"])
    records = [
        pack(["account", key, account["recipient"], at_ms]),
        pack(["device", key, device["number"], bytes.fromhex(device["key"]), device["recipient"], at_ms]),
    ]
    items = [part for one in records for part in (one, signer.sign(b"portal/record/v1\0" + one))]
    about = pack(items)
    secrets = "".join([device["signing_seed"], device["encryption_secret"], account["convergence_secret"]])
    secrets = bytes.fromhex(secrets)
    is_sealed = passphrase is not None
    salt, nonce = (b"salt of 16 bytes", b"nonce, 12 by") if is_sealed else (bytes(16), bytes(12))
    costs = [memory, passes, lanes] if is_sealed else [0, 0, 0]
    front = b"portalkr" + struct.pack("<HHIII", 1, int(is_sealed), *costs)
    front += salt + nonce + struct.pack("<I", len(about)) + about
    if is_sealed:
        stretch = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
        ring_key = hkdf(stretch.derive(passphrase.encode()), "portal/ring/v1")
        secrets = ChaCha20Poly1305(ring_key).encrypt(nonce, secrets, front)
    body = front + secrets
    return {
        "at_ms": at_ms,
        "passphrase": passphrase,
        "salt": salt.hex(),
        "nonce": nonce.hex(),
        "argon2": costs,
        "file": (body + hashlib.sha256(body).digest()).hex(),
    }


accounts = [
    account_of(bytes(32), [1, 2, 10, 2**31]),
    account_of(bytes([0xFF] * 32), [1]),
    account_of(bytes(range(32)), [1, 3]),
    account_of(hashlib.sha256(b"portal").digest(), [1, 255, 65536]),
]
rings = [
    ring_of(accounts[0], 1_700_000_000_000, None, 0, 0, 0),
    ring_of(accounts[0], 1_700_000_000_000, "correct horse", 64, 2, 1),
    ring_of(accounts[0], 1_700_000_000_000, "pässwörd", 64 * 1024, 3, 1),
]
print(json.dumps({"accounts": accounts, "rings": rings}, indent=1, ensure_ascii=False))
