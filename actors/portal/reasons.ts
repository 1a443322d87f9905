/**
 * Reasons for re-entry, for the owner's eyes: an age file over MessagePack `["portal/reason/v1", portal id, text]`.
 *
 * @module
 */
import { decode, encode } from "@std/msgpack";
import { Decrypter, Encrypter } from "age-encryption";
import { type Bytes, equal, utf8 } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { isSoundMessage } from "../base/message_shape.ts";

const LABEL = "portal/reason/v1";
export const REASON_TEXT_BYTES_MAX = 4096;

/** @throws {WarpError} E_LIMIT */
export async function sealReason(
  text: string,
  portal: Bytes,
  recipients: readonly string[],
): Promise<Bytes> {
  if (utf8(text).length > REASON_TEXT_BYTES_MAX) {
    throw new WarpError("E_LIMIT", "the reason is too long");
  }
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return await encrypter.encrypt(encode([LABEL, portal, text]));
}

/** Undefined when it is not for these identities, or of another portal. */
export async function openReason(
  sealed: Bytes,
  portal: Bytes,
  identities: readonly string[],
): Promise<string | undefined> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  let opened: Uint8Array;
  try {
    opened = await decrypter.decrypt(new Uint8Array(sealed));
  } catch {
    return undefined;
  }
  const value: unknown = isSoundMessage(opened, 2) ? decode(opened) : null;
  if (!Array.isArray(value) || value.length !== 3 || value[0] !== LABEL) return undefined;
  const [, id, text] = value as unknown[];
  const isFit = id instanceof Uint8Array && equal(id, portal) && typeof text === "string";
  return isFit ? text : undefined;
}
