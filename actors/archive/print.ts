/**
 * What the archive commands print: rows, summaries, problems.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { type Bytes, concat, toHex, utf8 } from "../base/bytes.ts";
import type { CommandIo } from "../base/command.ts";
import type { FinalEntry } from "../base/entry.ts";
import { ERROR_CODES } from "../base/error_codes.ts";
import { isWarpError } from "../base/errors.ts";
import { printableName } from "../base/terminal.ts";
import { formatBytes } from "../base/units.ts";
import type { Problem } from "../chunker/protocol.ts";
import { keySorts } from "../cipher/key_section.ts";
import { formatSigner } from "../cipher/public_keys.ts";
import type { OpenedArchive } from "./open_archive.ts";
import type { ListOptions } from "./options.ts";
import type { CreateResult, ExtractResult } from "./protocol.ts";
import { type Opening, readTrailer } from "./reader.ts";

/** A path for people and JSON: printable, exact for UTF-8, escaped bytes otherwise. */
export function nameOf(path: Bytes): string {
  return printableName(path);
}

const strict = new TextDecoder("utf-8", { fatal: true });

/** A path for machines: text when it is UTF-8, else only the base64 form. */
function pathFields(path: Bytes): Record<string, string> {
  const bytes = new Uint8Array(path);
  try {
    return { path: strict.decode(bytes) };
  } catch {
    return { path_base64: bytes.toBase64() };
  }
}

const TYPE_LETTERS = { file: "-", dir: "d", symlink: "l", hardlink: "h", fifo: "p" } as const;

/** `drwxr-xr-x`, with s, S, t and T as `ls` shows them. */
export function modeText(type: FinalEntry["type"], mode: number): string {
  const triple = (shift: number, special: number, letter: string) => {
    const bits = mode >> shift & 7;
    const x = bits & 1;
    const last = mode & special ? (x ? letter : letter.toUpperCase()) : x ? "x" : "-";
    return (bits & 4 ? "r" : "-") + (bits & 2 ? "w" : "-") + last;
  };
  return TYPE_LETTERS[type] + triple(6, 0o4000, "s") + triple(3, 0o2000, "s") +
    triple(0, 0o1000, "t");
}

export function printRow(entry: FinalEntry, options: ListOptions, io: CommandIo): void {
  if (io.options.isJson) {
    io.json({ message_type: "entry", ...entryFields(entry) });
    return;
  }
  if (options.isNulTerminated) {
    io.stdout.write(concat(entry.path, Uint8Array.of(0)));
    return;
  }
  const raw = (bytes: Bytes) => io.stdout.isTerminal ? utf8(printableName(bytes)) : bytes;
  const parts: Bytes[] = [];
  if (options.isLong) parts.push(utf8(`${longFields(entry)} `));
  parts.push(raw(entry.path));
  if (entry.type === "dir") parts.push(utf8("/"));
  if (options.isLong && entry.type === "symlink") parts.push(utf8(" -> "), raw(entry.target));
  if (options.isLong && entry.type === "hardlink") parts.push(utf8(" link to "), raw(entry.first));
  io.stdout.write(concat(...parts, Uint8Array.of(0x0a)));
}

function longFields(entry: FinalEntry): string {
  const { meta } = entry;
  const owner = `${meta.owner || meta.uid}/${meta.group || meta.gid}`;
  const size = entry.type === "file" ? entry.size : 0;
  const time = new Date(meta.mtimeS * 1000).toISOString().slice(0, 19).replace("T", " ");
  return `${modeText(entry.type, meta.mode)} ${owner.padEnd(13)} ${
    String(size).padStart(12)
  } ${time}`;
}

function entryFields(entry: FinalEntry): Record<string, unknown> {
  const { meta } = entry;
  const fields: Record<string, unknown> = {
    ...pathFields(entry.path),
    type: entry.type,
    mode: meta.mode.toString(8).padStart(4, "0"),
    mtime: `${meta.mtimeS}.${String(meta.mtimeNs).padStart(9, "0")}`,
    uid: meta.uid,
    gid: meta.gid,
    owner: meta.owner,
    group: meta.group,
  };
  if (entry.type === "file") fields.size = entry.size;
  if (entry.type === "symlink") fields.target = nameOf(entry.target);
  if (entry.type === "hardlink") fields.link_to = nameOf(entry.first);
  if (meta.xattrs !== null) {
    fields.xattrs = meta.xattrs.filter((_, i) => i % 2 === 0).map(nameOf);
  }
  return fields;
}

export function printCreated(result: CreateResult, output: string, io: CommandIo): void {
  const { counts, totalLength, root, archiveId } = result;
  io.json({
    message_type: "created",
    archive: output,
    archive_id: toHex(archiveId),
    root: toHex(root),
    entries: counts.entries,
    files: counts.files,
    bytes: counts.bytes,
    chunks: counts.chunks,
    unique_bytes: counts.stored,
    archive_bytes: totalLength,
    device_calls: result.deviceCalls,
  });
  for (const note of result.deviceNotes) io.note(`device: ${note}`, 1);
  io.note(
    `${counts.files} files, ${formatBytes(counts.bytes)} → ${formatBytes(totalLength)}` +
      ` (${formatBytes(counts.stored)} after dedup)`,
  );
  io.note(`root ${toHex(root)}`, 1);
}

/** Names each problem; exit 7 when anything is missing from the result. */
export function reportProblems(problems: Problem[], io: CommandIo): number {
  for (const { path, error, isStored } of problems) {
    const text = `${nameOf(path)}: ${error.message}${isStored ? " (stored as it was read)" : ""}`;
    io.warn(text, { ...pathFields(path), code: error.code, stored: isStored });
  }
  return problems.length === 0 ? 0 : ERROR_CODES.E_PARTIAL.exit;
}

export function printExtracted(result: ExtractResult, io: CommandIo): number {
  for (const { path, message } of result.warnings) {
    io.warn(`${nameOf(path)}: ${message}`, pathFields(path));
  }
  for (const path of result.missing) {
    io.warn(`the archive holds no "${nameOf(path)}"`, pathFields(path));
  }
  const code = reportProblems(result.problems, io);
  if (result.damage !== null) io.warn(`${result.damage}; extracted what is whole`);
  io.json({
    message_type: "extracted",
    entries: result.entries,
    files: result.files,
    bytes: result.bytes,
    damage: result.damage,
  });
  io.note(`${result.files} files, ${formatBytes(result.bytes)}`);
  if (code !== 0 || result.damage !== null) return ERROR_CODES.E_PARTIAL.exit;
  return result.missing.length > 0 ? ERROR_CODES.E_NOT_FOUND.exit : 0;
}

/** `opened` is undefined without a key: then only what everyone may know is shown. */
export function formatInfo(
  path: string,
  opening: Opening,
  opened: OpenedArchive | undefined,
  kernels: KernelSet,
  io: CommandIo,
): void {
  const { header, keySection } = opening;
  const rows: [string, string | number | boolean][] = [
    ["archive", path],
    ["archive_id", toHex(header.archiveId)],
    ["format", 1],
    ["encrypted", header.encrypted],
  ];
  if (header.encrypted) {
    const sorts = keySorts(keySection);
    const opensWith = [
      sorts.takesPassphrase && "passphrase",
      sorts.takesIdentity && "age identity",
    ];
    rows.push(["opens_with", opensWith.filter(Boolean).join(" or ")]);
  }
  rows.push(["chunk_sizes", `${header.chunk.min} / ${header.chunk.avg} / ${header.chunk.max}`]);
  const input = opened?.input;
  const trailer = input === undefined
    ? undefined
    : tryTrailer(() => readTrailer(input, kernels, header));
  if (trailer !== undefined) {
    rows.push(["archive_bytes", trailer.totalLength], ["root", toHex(trailer.root)]);
    rows.push(["signer", trailer.signer === undefined ? "none" : formatSigner(trailer.signer)]);
  }
  const reader = opened?.reader;
  if (reader !== undefined) {
    const { root, prologue } = reader;
    rows.push(
      ["created", new Date(prologue.created * 1000).toISOString()],
      ["by", prologue.by],
      ["entries", root.entries],
      ["files", root.files],
      ["bytes", root.bytes],
      ["unique_bytes", root.stored],
      ["chunks", root.chunks],
      ["blocks", root.blocks],
    );
    for (const base of prologue.bases) rows.push(["base", `${base.name} ${toHex(base.id)}`]);
  }
  if (io.options.isJson) {
    io.json({ message_type: "info", ...Object.fromEntries(rows) });
    return;
  }
  for (const [name, value] of rows) io.stdout.write(`${name.padEnd(14)} ${value}\n`);
}

function tryTrailer<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isWarpError(error)) return undefined;
    throw error;
  }
}
