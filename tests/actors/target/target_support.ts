/**
 * Short ways to fill an extraction target.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, utf8 } from "../../../actors/base/bytes.ts";
import { type ErrorCode, isWarpError } from "../../../actors/base/errors.ts";
import type { FsBackend } from "../../../actors/base/fs/backend.ts";
import { fsBackend } from "../../../actors/base/fs/choose.ts";
import { PortableBackend } from "../../../actors/base/fs/portable.ts";
import type { ExtractTarget, TargetMeta } from "../../../actors/target/target_io.ts";
import { sh } from "../../support/warp.ts";

export const isLinux = fsBackend.kind === "linux";
export const isRoot = fsBackend.userId() === 0;
const portable = new PortableBackend();
export const backends: FsBackend[] = isLinux ? [fsBackend, portable] : [portable];

export function meta(changes: Partial<TargetMeta> = {}): TargetMeta {
  const uid = Deno.uid() ?? 0, gid = Deno.gid() ?? 0;
  return {
    mode: 0o644,
    mtimeS: 1_234_567_890,
    mtimeNs: 123_000_000,
    uid,
    gid,
    owner: "",
    group: "",
    xattrs: null,
    ...changes,
  };
}

export function bytes(path: string | Bytes): Bytes {
  return typeof path === "string" ? utf8(path) : path;
}

/** Writes a whole file. */
export function put(
  target: ExtractTarget,
  path: string | Bytes,
  content = "content",
  own: TargetMeta = meta(),
): void {
  const file = target.createFile(bytes(path));
  try {
    file.write(utf8(content), 0);
    file.commit(content.length, own);
  } finally {
    file.abort();
  }
}

export function fails(code: ErrorCode, action: () => void, message?: string): void {
  assert.throws(action, (error) => {
    assert.ok(isWarpError(error), String(error));
    assert.equal(error.code, code, error.message);
    return true;
  }, message);
}

/** Every path below `dir`, hidden and temporary ones too. */
export async function listTree(dir: string): Promise<string[]> {
  const out = await sh(`cd '${dir}' && find . -mindepth 1 -printf '%P\\n' | LC_ALL=C sort`);
  return out.split("\n").filter((line) => line !== "");
}
