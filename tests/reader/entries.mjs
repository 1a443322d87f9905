// The entries of the file table, docs/format.md section 6: checks them and their order, and gives
// them as objects: { kind, path, ... } with the kinds piece, file, directory, link, hardLink, fifo.

import { check, isBinary, isCount, tuple } from "./archive.mjs";

const SLASH = "/".charCodeAt(0);
const MAX_INLINE = 512;

const isInteger = Number.isSafeInteger;
const isText = (value) => typeof value === "string";
const isNanoseconds = (value) => isCount(value) && value < 1e9;

function isPath(path) {
  return isBinary(path) &&
    path.toString("latin1").split("/").every((name) =>
      name !== "" && name !== "." && name !== ".." && !name.includes("\0")
    );
}

/** By bytes, with "/" below all others, so that a directory comes right before what it holds. */
function comparePaths(a, b) {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return (a[i] === SLASH ? -1 : a[i]) - (b[i] === SLASH ? -1 : b[i]);
  }
  return a.length - b.length;
}

function isExtents(list) {
  return Array.isArray(list) && list.every((extent) => {
    if (!Array.isArray(extent) || !extent.every(isCount) || extent[0] === 0) return false;
    const [, source, , count] = extent;
    return extent.length === 1 || (extent.length === 4 && source === 0 && count > 0);
  });
}

function isAttributes(list) {
  return list === null ||
    (Array.isArray(list) && list.length % 2 === 0 && list.every((item) => isBinary(item)));
}

const META = [
  (mode) => isCount(mode) && mode <= 0o7777,
  ...[isInteger, isNanoseconds, isCount, isCount, isText, isText, isAttributes],
];
const isMeta = (meta) => tuple(meta, META, "the metadata of an entry") === meta;
const isTimes = (times) => tuple(times, [isCount, isInteger, isNanoseconds], "a piece") === times;
const isInline = (inline) => inline === null || (isBinary(inline) && inline.length <= MAX_INLINE);
const isTarget = (target) => isBinary(target) && target.length > 0 && !target.includes(0);

// The fields after path and type, by type.
const TYPES = [
  { kind: "piece", offset: isCount, extents: isExtents, times: isTimes },
  {
    kind: "file",
    meta: isMeta,
    size: isCount,
    offset: isCount,
    extents: isExtents,
    inline: isInline,
  },
  { kind: "directory", meta: isMeta },
  { kind: "link", meta: isMeta, target: isTarget },
  { kind: "hardLink", meta: isMeta, first: isPath },
  { kind: "fifo", meta: isMeta },
];

function parse(entry) {
  const [path, type] = entry;
  check(isPath(path), "a path is malformed");
  check(isCount(type) && type < TYPES.length, "an entry has an unknown type");
  const { kind, ...tests } = TYPES[type];
  const names = Object.keys(tests);
  tuple(entry.slice(2), Object.values(tests), `the entry of ${path}`);
  return { kind, path, ...Object.fromEntries(names.map((name, i) => [name, entry[2 + i]])) };
}

/** Takes the stored arrays; paths ascend, and the pieces of one path by offset. */
export function* parseEntries(stored) {
  let last;
  for (const array of stored) {
    const entry = parse(array);
    const order = last === undefined ? 1 : comparePaths(entry.path, last.path);
    const follows = last?.kind === "piece" &&
      (entry.kind === "piece" || entry.kind === "file") && entry.offset > last.offset;
    check(order > 0 || (order === 0 && follows), `the entry of ${entry.path} is misplaced`);
    yield entry;
    last = entry;
  }
}
