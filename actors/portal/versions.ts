/**
 * Versions, and the views that grants give of them.
 *
 * @module
 */
import { blake3 } from "@noble/hashes/blake3.js";
import { type Bytes, compare, concat, toHex, utf8 } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import type { GrantInfo } from "./api.ts";
import { signedJson, signedOf } from "./api_fields.ts";
import { toBase64Url } from "./base64url.ts";
import type { View } from "./content/views.ts";
import type { ClientKey, HubClient } from "./hub_client.ts";
import { nameOf, newestKey } from "./portal.ts";
import { readRecord, signRecord } from "./records.ts";
import { type PortalKeys, viewKey } from "./wrap.ts";

/** What stands, sealed, in the note of a grant. */
export interface GrantNote {
  /** For the owner: whom it is for. */
  label: string;
  /** A file or directory; null: the whole tree. */
  path: string | null;
  /** Names and sizes alone. */
  isList: boolean;
  /** `age1…` of a link, whose keys will have to be wrapped anew; null for others. */
  recipient: string | null;
}

export function formatNote(note: GrantNote): string {
  return JSON.stringify(note);
}

/** Undefined when it cannot be opened with these keys, or is none. */
export function noteOf(grant: GrantInfo, keys: PortalKeys): GrantNote | undefined {
  const text = nameOf(keys, readRecord("grant", signedOf(grant.signed)).sealedNote);
  if (text === undefined) return undefined;
  try {
    const note = JSON.parse(text) as Partial<Record<keyof GrantNote, unknown>>;
    const { label, path, isList, recipient } = note;
    const isNote = typeof label === "string" && typeof isList === "boolean" &&
      (path === null || typeof path === "string") &&
      (recipient === null || typeof recipient === "string");
    return isNote ? { label, path, isList, recipient } : undefined;
  } catch {
    return undefined;
  }
}

/** The views of grants that are not the whole tree, each once. */
export function grantedViews(grants: readonly GrantInfo[], keys: PortalKeys): View[] {
  const views = new Map<string, View>();
  const { key } = newestKey(keys);
  for (const grant of grants) {
    const { view } = readRecord("grant", signedOf(grant.signed));
    const note = view === null || grant.revokedMs !== null ? undefined : noteOf(grant, keys);
    if (view === null || note === undefined) continue;
    const path = note.path === null ? null : utf8(note.path);
    views.set(toHex(view), { id: view, key: viewKey(key, view), path, isList: note.isList });
  }
  return [...views.values()];
}

export interface NewVersion {
  sequence: number;
  epoch: number;
  /** BLAKE3 of the record of the version before; zeroes for the first. */
  before: Bytes;
  heads: readonly { view: Pick<View, "id">; address: Bytes; packs: readonly Bytes[] }[];
}

/** @returns its number. @throws {WarpError} E_BUSY when someone else was first */
export async function addVersion(
  client: HubClient,
  key: ClientKey,
  portal: Bytes,
  { sequence, epoch, before, heads }: NewVersion,
): Promise<number> {
  const distinct = new Map(heads.flatMap(({ packs }) => packs.map((one) => [toHex(one), one])));
  const all = [...distinct.values()].sort(compare);
  const version = signRecord("version", {
    portal,
    sequence,
    epoch,
    before,
    heads: heads.map(({ view, address }) => ({ view: view.id, head: address })),
    packs: blake3(concat(...all)),
    atMs: Math.round(client.nowMs),
  }, key.sign);
  const answer = await client.call("POST /v1/portals/{portal}/versions", {
    portal: toBase64Url(portal),
  }, {
    version: signedJson(version),
    views: heads.map(({ view, packs }) => ({
      view: view.id === null ? null : toBase64Url(view.id),
      packs: toBase64Url(concat(...packs)),
    })),
  });
  if (answer.version !== sequence) {
    throw new WarpError("E_PROTOCOL", "the hub counted the version otherwise");
  }
  return sequence;
}
