/**
 * Archive paths as byte strings: what is allowed, and their order (docs/format.md §6).
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";

const SLASH = 0x2f;
const DOT = 0x2e;

/** Order by bytes with `/` lowest, so that a directory comes right before what it holds. */
export function comparePaths(a: Bytes, b: Bytes): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a[i]!, y = b[i]!;
    if (x !== y) return (x === SLASH ? -1 : x) - (y === SLASH ? -1 : y);
  }
  return a.length - b.length;
}

/** Relative, no empty component, no `.` or `..`, no NUL: a path that stays in its folder. */
export function isSafePath(path: Bytes): boolean {
  if (path.length === 0) return false;
  let start = 0;
  for (let i = 0; i <= path.length; i++) {
    const byte = i === path.length ? SLASH : path[i]!;
    if (byte === 0) return false;
    if (byte !== SLASH) continue;
    const length = i - start;
    if (length === 0) return false;
    if (length === 1 && path[start] === DOT) return false;
    if (length === 2 && path[start] === DOT && path[start + 1] === DOT) return false;
    start = i + 1;
  }
  return true;
}

/** Whether `path` is `ancestor` or lies below it. */
export function isWithin(path: Bytes, ancestor: Bytes): boolean {
  if (path.length < ancestor.length) return false;
  for (let i = 0; i < ancestor.length; i++) if (path[i] !== ancestor[i]) return false;
  return path.length === ancestor.length || path[ancestor.length] === SLASH;
}
