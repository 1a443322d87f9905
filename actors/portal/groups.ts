/**
 * Groups: an age identity that all members have, so that one grant reaches all of them.
 *
 * @module
 */
import { decode, encode } from "@std/msgpack";
import { Decrypter, Encrypter } from "age-encryption";
import { type Bytes, equal } from "../base/bytes.ts";
import { isSoundMessage } from "../base/message_shape.ts";
import { NAME_BYTES_MAX } from "./wrap.ts";

const LABEL = "portal/group/v1";
const WRAP_BYTES_MAX = 512 * 1024;

export interface GroupKeys {
  identity: string;
  name: string;
}

/** @param recipients of one member */
export async function wrapGroup(
  group: Bytes,
  { identity, name }: GroupKeys,
  recipients: readonly string[],
): Promise<Bytes> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return await encrypter.encrypt(encode([LABEL, group, identity, name]));
}

/** Undefined when it is not for these identities, or not of this group. */
export async function unwrapGroup(
  wrap: Bytes,
  identities: readonly string[],
  group: Bytes,
): Promise<GroupKeys | undefined> {
  if (wrap.length > WRAP_BYTES_MAX) return undefined;
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  let opened: Uint8Array;
  try {
    opened = await decrypter.decrypt(new Uint8Array(wrap));
  } catch {
    return undefined;
  }
  const value: unknown = isSoundMessage(opened, 3) ? decode(opened) : null;
  if (!Array.isArray(value) || value.length !== 4 || value[0] !== LABEL) return undefined;
  const [, id, identity, name] = value as unknown[];
  const isFit = id instanceof Uint8Array && equal(id, group) &&
    typeof identity === "string" && /^AGE-SECRET-KEY-1[A-Z0-9]{58}$/.test(identity) &&
    typeof name === "string" && name.length <= NAME_BYTES_MAX;
  return isFit ? { identity, name } : undefined;
}
