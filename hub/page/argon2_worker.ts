/**
 * One Argon2id in a Worker of its own. It answers with 32 bytes, or null.
 *
 * @module
 */

import { argon2id } from "@noble/hashes/argon2.js";

export interface Argon2Job {
  /** Wiped. */
  passphrase: Uint8Array<ArrayBuffer>;
  salt: Uint8Array<ArrayBuffer>;
  params: { memoryKiB: number; passes: number; lanes: number };
}

/** What of a Worker's scope is used here. */
interface Scope {
  onmessage: (event: MessageEvent<Argon2Job>) => void;
  postMessage(answer: Uint8Array | null): void;
}

const scope = globalThis as unknown as Scope;

scope.onmessage = ({ data }) => {
  const { passphrase, salt, params: { memoryKiB, passes, lanes } } = data;
  try {
    const options = { t: passes, m: memoryKiB, p: lanes, dkLen: 32, maxmem: 2 ** 32 - 1 };
    scope.postMessage(new Uint8Array(argon2id(passphrase, salt, options)));
  } catch {
    scope.postMessage(null);
  } finally {
    passphrase.fill(0);
  }
};
