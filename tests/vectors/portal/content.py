#!/usr/bin/env python3
"""Vectors of the content layer (docs/crypto.md sections 2 and 3), made without any code of this project.

BLAKE3, ChaCha20-Poly1305 and HKDF are written here from their specifications with the standard library
alone, and tried first against published vectors. Run: python3 content.py > content.json
"""
import hashlib, hmac, json, os, struct, sys

# --- BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs, section 2)
IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
PERM = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
M = 0xFFFFFFFF
START, END, PARENT, ROOT, KEYED = 1, 2, 4, 8, 16


def compress(cv, block, counter, length, flags):
    s = list(cv) + IV[:4] + [counter & M, counter >> 32, length, flags]
    m = list(struct.unpack("<16I", block.ljust(64, b"\0")))
    rot = lambda x, n: (x >> n | x << (32 - n)) & M

    def g(a, b, c, d, x, y):
        s[a] = (s[a] + s[b] + x) & M
        s[d] = rot(s[d] ^ s[a], 16)
        s[c] = (s[c] + s[d]) & M
        s[b] = rot(s[b] ^ s[c], 12)
        s[a] = (s[a] + s[b] + y) & M
        s[d] = rot(s[d] ^ s[a], 8)
        s[c] = (s[c] + s[d]) & M
        s[b] = rot(s[b] ^ s[c], 7)

    for r in range(7):
        for i in range(4):
            g(i, 4 + i, 8 + i, 12 + i, m[2 * i], m[2 * i + 1])
        for i in range(4):
            g(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[8 + 2 * i], m[9 + 2 * i])
        m = [m[p] for p in PERM]
    return [s[i] ^ s[i + 8] for i in range(8)] + [s[i + 8] ^ cv[i] for i in range(8)]


def node(key, flags, data, counter):
    """The last compression of a subtree, not yet done: (cv, block, counter, length, flags)."""
    if len(data) <= 1024:
        cv = key
        blocks = [data[i:i + 64] for i in range(0, len(data), 64)] or [b""]
        for i, block in enumerate(blocks[:-1]):
            cv = compress(cv, block, counter, 64, flags | (START if i == 0 else 0))[:8]
        last = flags | END | (START if len(blocks) == 1 else 0)
        return cv, blocks[-1], counter, len(blocks[-1]), last
    left = 1024
    while left * 2 < len(data):
        left *= 2
    a = compress(*node(key, flags, data[:left], counter))[:8]
    b = compress(*node(key, flags, data[left:], counter + left // 1024))[:8]
    return key, struct.pack("<16I", *a, *b), 0, 64, flags | PARENT


def blake3(data, key=None, length=32):
    words = IV if key is None else list(struct.unpack("<8I", key))
    cv, block, _, size, flags = node(words, 0 if key is None else KEYED, data, 0)
    out = b""
    i = 0
    while len(out) < length:
        out += struct.pack("<16I", *compress(cv, block, i, size, flags | ROOT))
        i += 1
    return out[:length]


# --- ChaCha20-Poly1305 (RFC 8439)
def chacha_block(key, counter, nonce):
    s = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574] + list(struct.unpack("<8I", key)) + [counter]
    s += list(struct.unpack("<3I", nonce))
    w = list(s)

    def q(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            w[x] = (w[x] + w[y]) & M
            w[z] ^= w[x]
            w[z] = (w[z] << n | w[z] >> (32 - n)) & M

    for _ in range(10):
        for i in range(4):
            q(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            q(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *((x + y) & M for x, y in zip(w, s)))


def seal(key, nonce, aad, plain):
    out = bytearray()
    for i in range(0, len(plain), 64):
        stream = chacha_block(key, 1 + i // 64, nonce)
        out += bytes(a ^ b for a, b in zip(plain[i:i + 64], stream))
    otk = chacha_block(key, 0, nonce)[:32]
    r = int.from_bytes(otk[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    pad = lambda x: bytes(x) + b"\0" * (-len(x) % 16)
    text = pad(aad) + pad(out) + struct.pack("<QQ", len(aad), len(out))
    acc = 0
    for i in range(0, len(text), 16):
        acc = (acc + int.from_bytes(text[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return bytes(out) + ((acc + int.from_bytes(otk[16:], "little")) % 2**128).to_bytes(16, "little")


def hkdf(key, info, length):
    prk = hmac.new(b"\0" * 32, key, hashlib.sha256).digest()
    out = block = b""
    i = 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha256).digest()
        out += block
        i += 1
    return out[:length]


def check():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../blake3/test_vectors.json")) as file:
        known = json.load(file)
    for case in known["cases"]:
        if case["input_len"] > 8193:
            continue
        data = bytes(i % 251 for i in range(case["input_len"]))
        assert blake3(data, None, 131).hex() == case["hash"]
        assert blake3(data, known["key"].encode(), 131).hex() == case["keyed_hash"]
    # RFC 8439 section 2.8.2
    plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
    out = seal(bytes(range(0x80, 0xA0)), bytes.fromhex("070000004041424344454647"),
               bytes.fromhex("50515253c0c1c2c3c4c5c6c7"), plain)
    assert out[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691" and out[:4].hex() == "d31a8d34"
    # RFC 5869, test case 3 (no salt)
    assert hkdf(b"\x0b" * 22, b"", 42).hex().startswith("8da4e775a563c18f715f802a063c5a31")


def rle_frame(byte, count):
    """A zstd frame of one RLE block (RFC 8878): single segment, content size of four bytes."""
    return bytes.fromhex("28b52ffd") + bytes([0xA0]) + struct.pack("<I", count) + \
        struct.pack("<I", 1 | 1 << 1 | count << 3)[:3] + bytes([byte])


check()
secret = bytes(range(32))
zero = bytes(12)
chunks = []
for name, content, frame in (
    ("one byte", b"x", None),
    ("three chunks of BLAKE3", bytes(i * 7 % 256 for i in range(2500)), None),
    ("a frame", b"a" * 5000, rle_frame(ord("a"), 5000)),
):
    digest = blake3(content)
    ident = blake3(digest, secret)
    if frame is None:
        codec, key, plain = 0, blake3(b"portal/chunk/key/v1" + ident, secret), content
    else:
        codec, plain = 1, frame
        key = blake3(b"portal/chunk/zstd/v1" + ident + blake3(frame), secret)
    chunks.append({
        "name": name, "content": content.hex(), "frame": frame and frame.hex(), "digest": digest.hex(),
        "id": ident.hex(), "key": key.hex(), "codec": codec,
        "sealed": seal(key, zero, bytes([codec]), plain).hex(),
    })
sealed = b"".join(bytes.fromhex(c["sealed"]) for c in chunks)
tags = b"".join(bytes.fromhex(c["sealed"])[-16:] for c in chunks)
pad = blake3(b"portal/pad/v1" + tags, secret, 4096 - len(sealed))
view_key = bytes(range(100, 132))
nonce = bytes(range(200, 216))
version_key = hkdf(view_key, b"portal/version/v1" + nonce, 32)
content = b"what a page holds"
padded = lambda room: (struct.pack("<I", len(content)) + content).ljust(room, b"\0")
page = seal(version_key, struct.pack("<I", 7) + bytes(8), b"page", padded(4096 - 16))
head = nonce + seal(version_key, struct.pack("<I", 2**32 - 1) + bytes(8), b"head", padded(4096 - 32))
json.dump({
    "domainSecret": secret.hex(),
    "boundaryTable": hkdf(secret, b"portal/boundary/v1", 128).hex(),
    "chunks": chunks,
    "pack": {"bytes": (sealed + pad).hex(), "address": blake3(sealed + pad).hex()},
    "viewKey": view_key.hex(), "nonce": nonce.hex(), "versionKey": version_key.hex(),
    "content": content.hex(), "page7": page.hex(), "head": head.hex(),
}, sys.stdout, indent=1)
print()
