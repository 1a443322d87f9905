/**
 * Argon2id in a Web Worker, so that the page stays alive: stands in for actors/cipher/argon2.ts when the
 * pages are built.
 *
 * @module
 */
import type { Bytes } from "../../../actors/base/bytes.ts";
import { WarpError } from "../../../actors/base/errors.ts";
import type { Argon2Job } from "../argon2_worker.ts";
import { assetUrl } from "../dom.ts";

export interface Argon2Params {
  memoryKiB: number;
  passes: number;
  lanes: number;
}

export const ARGON2_DEFAULT: Readonly<Argon2Params> = { memoryKiB: 64 * 1024, passes: 3, lanes: 1 };

/**
 * 32 bytes. Parameters come from the caller, who has checked them.
 *
 * @throws {WarpError} E_LIMIT where the browser has not the memory
 */
export function argon2id(
  passphrase: Bytes,
  salt: Bytes,
  params: Argon2Params,
): Promise<Uint8Array<ArrayBuffer>> {
  const worker = new Worker(assetUrl("argon2"), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
  const fail = () => reject(new WarpError("E_LIMIT", "this browser cannot derive the key"));
  worker.onmessage = ({ data }: MessageEvent<Uint8Array<ArrayBuffer> | null>) => {
    if (data === null) fail();
    else resolve(data);
  };
  worker.onerror = fail;
  const job: Argon2Job = {
    passphrase: new Uint8Array(passphrase),
    salt: new Uint8Array(salt),
    params,
  };
  worker.postMessage(job, [job.passphrase.buffer]);
  return promise.finally(() => worker.terminate());
}
