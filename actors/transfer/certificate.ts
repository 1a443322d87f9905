/**
 * A device key as a TLS certificate (RFC 5280, RFC 8410).
 *
 * The certificate is a function of the public key alone, so a peer that knows 32 bytes can write it
 * down itself and give it to TLS as the only authority it trusts. What is checked in the handshake is
 * that the other side holds the private key; the signature on the certificate itself is not looked at,
 * because a trust anchor needs none.
 *
 * @module
 */
import { type Bytes, concat, fromHex, toHex, utf8 } from "../base/bytes.ts";

const INTEGER = 0x02, BIT_STRING = 0x03, OCTET_STRING = 0x04, OBJECT = 0x06, UTF8_STRING = 0x0c;
const UTC_TIME = 0x17, GENERALIZED_TIME = 0x18, SEQUENCE = 0x30, SET = 0x31;
const CONTEXT_0 = 0xa0, CONTEXT_3 = 0xa3, DNS_NAME = 0x82;

const ED25519 = der(SEQUENCE, der(OBJECT, fromHex("2b6570")));
const COMMON_NAME = der(OBJECT, fromHex("550403"));
const SUBJECT_ALT_NAME = der(OBJECT, fromHex("551d11"));
const PKCS8_PREFIX = fromHex("302e020100300506032b657004220420");

/** One ASN.1 value; lengths up to 65,535. */
function der(tag: number, ...parts: Bytes[]): Uint8Array<ArrayBuffer> {
  const content = concat(...parts);
  const { length } = content;
  const size = length < 128
    ? [length]
    : length < 256
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return concat(Uint8Array.of(tag, ...size), content);
}

/** The DNS name that stands for a device key; no public authority can vouch for `.invalid`. */
export function deviceHostname(publicKey: Bytes): string {
  const hex = toHex(publicKey);
  return `${hex.slice(0, 32)}.${hex.slice(32)}.warp.invalid`;
}

/** The part of the certificate that is signed. */
export function certificateBody(publicKey: Bytes): Uint8Array<ArrayBuffer> {
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, utf8("warp")))));
  const always = der(
    SEQUENCE,
    der(UTC_TIME, utf8("200101000000Z")),
    der(GENERALIZED_TIME, utf8("99991231235959Z")),
  );
  const publicKeyInfo = der(SEQUENCE, ED25519, der(BIT_STRING, Uint8Array.of(0), publicKey));
  const hostname = der(SEQUENCE, der(DNS_NAME, utf8(deviceHostname(publicKey))));
  const extension = der(SEQUENCE, SUBJECT_ALT_NAME, der(OCTET_STRING, hostname));
  return der(
    SEQUENCE,
    der(CONTEXT_0, der(INTEGER, Uint8Array.of(2))),
    der(INTEGER, Uint8Array.of(1)),
    ED25519,
    name,
    always,
    name,
    publicKeyInfo,
    der(CONTEXT_3, der(SEQUENCE, extension)),
  );
}

/** @param signature 64 bytes over {@link certificateBody}; a trust anchor may have zeros there */
export function certificatePem(publicKey: Bytes, signature: Bytes): string {
  const bits = der(BIT_STRING, Uint8Array.of(0), signature);
  return pem("CERTIFICATE", der(SEQUENCE, certificateBody(publicKey), ED25519, bits));
}

/** What to trust in order to reach the owner of `publicKey`, and nobody else. */
export function trustAnchorPem(publicKey: Bytes): string {
  return certificatePem(publicKey, new Uint8Array(64));
}

/** @param seed 32 secret bytes (RFC 8410 §7) */
export function privateKeyPem(seed: Bytes): string {
  return pem("PRIVATE KEY", concat(PKCS8_PREFIX, seed));
}

function pem(label: string, bytes: Bytes): string {
  const base64 = btoa(String.fromCharCode(...bytes)).replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
}
