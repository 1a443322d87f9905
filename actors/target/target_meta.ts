/**
 * Metadata onto what was extracted: owner, extended attributes, mode, time, in this order. A change
 * of owner clears setuid bits and capabilities; a read-only mode forbids attributes; anything else
 * may touch the time.
 *
 * @module
 */
import { type Bytes, utf8 } from "../base/bytes.ts";
import { asWarpError } from "../base/errors.ts";
import type { FsBackend, Handle, NewFileMeta } from "../base/fs/backend.ts";
import { groupId, userId } from "../base/fs/owners.ts";
import type { RawName } from "../base/fs/raw_name.ts";
import type { TargetMeta } from "./target_io.ts";

export interface MetaRules {
  sameOwner: boolean;
  allowSetuid: boolean;
  warn(path: Bytes, message: string): void;
}

const SETID_BITS = 0o6000;
const SECURITY = utf8("security.");
/** In chown, 2^32 - 1 means "leave it". */
const ID_MAX = 2 ** 32 - 2;
/** What a file system can hold is less; outside of this it is no time at all. */
const SECONDS_MAX = 2 ** 52;

/** To an open file, directory or fifo. What fails becomes a warning. */
export function applyMeta(
  backend: FsBackend,
  handle: Handle,
  path: Bytes,
  meta: TargetMeta,
  rules: MetaRules,
): void {
  const isOwned = !rules.sameOwner ||
    setOwner(meta, path, rules, (uid, gid) => backend.setOwner(handle, uid, gid));
  setXattrs(backend, meta, path, rules, (name, value) => backend.setXattr(handle, name, value));
  // Were it not its owner's, a setuid program would act for whoever extracts it.
  const isKept = rules.allowSetuid && isOwned;
  const mode = meta.mode & (isKept ? 0o7777 : 0o7777 & ~SETID_BITS);
  tolerate(path, rules, () => backend.setMode(handle, mode));
  setTime(meta, path, rules, () => backend.setTime(handle, meta.mtimeS, meta.mtimeNs));
}

/**
 * What {@link applyMeta} would do, for a file that is made in one call; undefined when that has more to
 * do, or something to warn of.
 */
export function plainMeta(
  meta: TargetMeta,
  rules: MetaRules,
  isReplacing: boolean,
): NewFileMeta | undefined {
  const { mode, mtimeS, mtimeNs, xattrs } = meta;
  if ((xattrs !== null && xattrs.length > 0) || !isTime(meta)) return undefined;
  let owner: NewFileMeta["owner"];
  if (rules.sameOwner) {
    owner = ownerOf(meta);
    if (!isId(owner.uid) || !isId(owner.gid)) return undefined;
  }
  const kept = rules.allowSetuid ? 0o7777 : 0o7777 & ~SETID_BITS;
  return { mode: mode & kept, mtimeS, mtimeNs, owner, isReplacing };
}

/** To a symbolic link itself, which has no mode. */
export function applyLinkMeta(
  backend: FsBackend,
  dir: Handle,
  name: RawName,
  path: Bytes,
  meta: TargetMeta,
  rules: MetaRules,
): void {
  if (rules.sameOwner) {
    setOwner(meta, path, rules, (uid, gid) => backend.setLinkOwner(dir, name, uid, gid));
  }
  setXattrs(backend, meta, path, rules, (attribute, value) => {
    backend.setLinkXattr(dir, name, attribute, value);
  });
  setTime(meta, path, rules, () => backend.setLinkTime(dir, name, meta.mtimeS, meta.mtimeNs));
}

function setOwner(
  meta: TargetMeta,
  path: Bytes,
  rules: MetaRules,
  set: (uid: number, gid: number) => void,
): boolean {
  const { uid, gid } = ownerOf(meta);
  if (!isId(uid) || !isId(gid)) {
    rules.warn(path, "the archive names an impossible owner");
    return false;
  }
  return tolerate(path, rules, () => set(uid, gid));
}

/** Names that are known here win over numbers. */
function ownerOf(meta: TargetMeta): { uid: number; gid: number } {
  return {
    uid: (meta.owner === "" ? undefined : userId(meta.owner)) ?? meta.uid,
    gid: (meta.group === "" ? undefined : groupId(meta.group)) ?? meta.gid,
  };
}

function isId(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id <= ID_MAX;
}

function setXattrs(
  backend: FsBackend,
  { xattrs }: TargetMeta,
  path: Bytes,
  rules: MetaRules,
  set: (name: Bytes, value: Bytes) => void,
): void {
  if (xattrs === null || xattrs.length === 0) return;
  if (!backend.hasXattrs) {
    rules.warn(path, "extended attributes cannot be kept on this system");
    return;
  }
  for (let i = 0; i + 1 < xattrs.length; i += 2) {
    const name = xattrs[i]!;
    if (!rules.allowSetuid && startsWith(name, SECURITY)) continue;
    const shown = new TextDecoder().decode(new Uint8Array(name));
    tolerate(path, rules, () => set(name, xattrs[i + 1]!), ` "${shown}"`);
  }
}

function startsWith(bytes: Bytes, prefix: Bytes): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, i) => bytes[i] === byte);
}

function isTime({ mtimeS, mtimeNs }: TargetMeta): boolean {
  return Number.isInteger(mtimeS) && Math.abs(mtimeS) <= SECONDS_MAX &&
    Number.isInteger(mtimeNs) && mtimeNs >= 0 && mtimeNs < 1e9;
}

function setTime(meta: TargetMeta, path: Bytes, rules: MetaRules, set: () => void): void {
  if (isTime(meta)) tolerate(path, rules, set);
  else rules.warn(path, "the archive names an impossible time");
}

function tolerate(path: Bytes, rules: MetaRules, action: () => void, about = ""): boolean {
  try {
    action();
    return true;
  } catch (error) {
    rules.warn(path, asWarpError(error).message + about);
    return false;
  }
}
