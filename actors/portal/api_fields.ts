/**
 * Fields of the hub's interface: what requests and answers are made of.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { fromBase64Url, toBase64Url } from "./base64url.ts";
import { ID_BYTES, KEY_BYTES, LEVELS, type Signed } from "./records.ts";
import { WRAP_BYTES_MAX } from "./wrap.ts";

const BASE64URL = /^[\w-]*$/;

/** base64url of a fixed number of bytes. */
function fixedBytes(length: number, about: string) {
  const characters = Math.ceil(length * 4 / 3);
  return z.string().length(characters).regex(BASE64URL).openapi({
    description: `${about}: ${length} bytes, base64url`,
    example: toBase64Url(new Uint8Array(length)),
  });
}

/** base64url of at most so many bytes. */
export function someBytes(most: number, about: string) {
  return z.string().max(Math.ceil(most * 4 / 3)).regex(BASE64URL).openapi({
    description: `${about}: at most ${most} bytes, base64url`,
  });
}

export const id = (about: string) => fixedBytes(ID_BYTES, about);
export const key = (about: string) => fixedBytes(KEY_BYTES, about);
export const signature = fixedBytes(64, "Ed25519 signature");
export const level = z.enum(LEVELS);
export const timeMs = z.number().int().min(0).max(253_402_300_799_999).openapi({
  description: "milliseconds since 1970",
});
export const count = z.number().int().min(0);
export const done = z.object({ done: z.literal(true) });

export const signed = z.object({
  record: someBytes(64 * 1024, "the record's MessagePack"),
  signature,
}).openapi("Signed");

export const wrap = someBytes(WRAP_BYTES_MAX, "an age file with the grantee's keys");

export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  code: z.string(),
  detail: z.string(),
  hint: z.string().optional(),
}).loose().openapi("Problem");

/** Bytes of a checked field. @throws {WarpError} E_PROTOCOL */
export function bytes(text: string, length?: number): Uint8Array<ArrayBuffer> {
  return fromBase64Url(text, length);
}

/** @throws {WarpError} E_PROTOCOL */
export function signedOf(value: z.infer<typeof signed>): Signed {
  return { bytes: bytes(value.record), signature: bytes(value.signature, 64) };
}

export function signedJson({ bytes, signature }: Signed): z.infer<typeof signed> {
  return { record: toBase64Url(bytes), signature: toBase64Url(signature) };
}
