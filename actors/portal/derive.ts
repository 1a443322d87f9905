/**
 * What is derived from an account's seed, and under which label (docs/crypto.md §1).
 *
 * @module
 */
import { type Bytes, utf8 } from "../base/bytes.ts";
import { invariant } from "../base/errors.ts";
import { isDeviceNumber } from "./device_number.ts";
import { KEY_BYTES } from "./records.ts";
import { hkdf } from "./wrap.ts";
import { SEED_BYTES } from "./words.ts";

/** 32 bytes: the Ed25519 seed that signs an account's records. */
export function accountSigningSeed(seed: Bytes): Uint8Array<ArrayBuffer> {
  return derive(seed, "portal/signing/v1");
}

/** 32 bytes: the X25519 secret of the account's age identity. */
export function accountIdentitySecret(seed: Bytes): Uint8Array<ArrayBuffer> {
  return derive(seed, "portal/encryption/v1");
}

/** 32 bytes: the domain secret of the account's own portals (docs/crypto.md §2). */
export function convergenceSecret(seed: Bytes): Uint8Array<ArrayBuffer> {
  return derive(seed, "portal/convergence/v1");
}

/** 32 bytes: the Ed25519 seed with which device `number` logs in and signs. */
export function deviceSigningSeed(seed: Bytes, number: number): Uint8Array<ArrayBuffer> {
  return derive(seed, `portal/device/${decimal(number)}/auth/v1`);
}

/** 32 bytes: the X25519 secret of the age identity of device `number`. */
export function deviceIdentitySecret(seed: Bytes, number: number): Uint8Array<ArrayBuffer> {
  return derive(seed, `portal/device/${decimal(number)}/encryption/v1`);
}

function derive(seed: Bytes, label: string): Uint8Array<ArrayBuffer> {
  invariant(seed.length === SEED_BYTES, "a seed is 64 bytes");
  return hkdf(seed, utf8(label), KEY_BYTES);
}

function decimal(number: number): string {
  invariant(isDeviceNumber(number), "device numbers begin at 1");
  return String(number);
}
