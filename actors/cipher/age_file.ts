/**
 * Small age v1 files (https://c2sp.org/age) through the `age-encryption` package, which is loaded
 * when the first one is met: most archives are opened without it.
 *
 * @module
 */
import type { Decrypter } from "age-encryption";
import type { Bytes } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";

const POST_QUANTUM = /^age1(?:pq|tagpq)1/;

/**
 * Encrypts `plaintext` to all `recipients`.
 * @throws {WarpError} E_USAGE for a string that is not a recipient, and for a mixture of classical
 *   and post-quantum ones, which age refuses as well: it would be as weak as the weakest
 */
export async function ageEncrypt(
  plaintext: Bytes,
  recipients: readonly string[],
): Promise<Uint8Array<ArrayBuffer>> {
  const postQuantumCount = recipients.filter((text) => POST_QUANTUM.test(text)).length;
  if (postQuantumCount !== 0 && postQuantumCount !== recipients.length) {
    throw new WarpError("E_USAGE", "post-quantum and classical recipients cannot be mixed", {
      hint: "a file is only as safe as its weakest recipient: choose one kind",
    });
  }
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (cause) {
      // A recipient is public: it may be named.
      throw new WarpError("E_USAGE", `"${recipient}" is not an age recipient`, {
        hint: "a recipient looks like age1…; `warp key show` prints yours",
        cause,
      });
    }
  }
  return new Uint8Array(await encrypter.encrypt(new Uint8Array(plaintext)));
}

/**
 * Decrypts a binary age file with the first of `identities` that fits. Undefined when none does or
 * the file is damaged: who holds no key cannot tell the two apart.
 */
export async function ageDecrypt(
  file: Bytes,
  identities: readonly string[],
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return new Uint8Array(await decrypter.decrypt(new Uint8Array(file)));
  } catch {
    return undefined;
  } finally {
    await settleIdentities(decrypter);
  }
}

/**
 * Waits for what `decrypter` has begun. An X25519 identity starts to derive its recipient when it is
 * added, and a file that is refused early leaves that running behind the caller's back.
 */
export async function settleIdentities(decrypter: Decrypter): Promise<void> {
  const { identities = [] } = decrypter as unknown as { identities?: { recipient?: unknown }[] };
  await Promise.allSettled(identities.map(({ recipient }) => recipient));
}
