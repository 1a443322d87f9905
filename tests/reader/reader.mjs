// A second reader of .warp archives, written from docs/format.md alone.
//
//   node reader.mjs ARCHIVE DIR [--passphrase TEXT_FILE]
//
// Verifies the archive and writes what it holds to DIR, which must be new or empty. Owners and
// extended attributes are not restored, times only to the microsecond (milliseconds before 1970).
// Archives with base archives or with age recipients alone are refused.

import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import process from "node:process";
import { Archive, check } from "./archive.mjs";
import { parseEntries } from "./entries.mjs";

/** Writes entries below a directory; nothing that exists is replaced or followed. */
class Extraction {
  #archive;
  #root;
  #directories = new Set([""]); // that exist below the root
  #others = new Set(); // made so far: what a hard link may name
  #open = null; // the regular file whose pieces are being read: { path, fd, end }
  #late = []; // directory metadata, set after all content
  counts = { entries: 0, files: 0, bytes: 0 };
  skipped = [];

  constructor(archive, root) {
    this.#archive = archive;
    this.#root = Buffer.from(`${root}/`);
    fs.mkdirSync(root, { recursive: true });
    check(fs.readdirSync(root).length === 0, `${root} is not empty`);
  }

  run() {
    for (const entry of parseEntries(this.#archive.entries())) {
      if (entry.kind !== "piece") this.counts.entries += 1;
      if (this.#open !== null && !this.#open.path.equals(entry.path)) this.#drop();
      this[entry.kind](entry);
    }
    if (this.#open !== null) this.#drop();
    for (const { path, meta } of this.#late.reverse()) this.#setMeta(path, meta);
  }

  #full(path) {
    return Buffer.concat([this.#root, path]);
  }

  /** Where to make something; directories without an entry are made on the way. */
  #place(path) {
    const parent = path.subarray(0, Math.max(path.lastIndexOf("/"), 0));
    if (!this.#directories.has(parent.toString("latin1"))) {
      fs.mkdirSync(this.#place(parent));
      this.#directories.add(parent.toString("latin1"));
    }
    return this.#full(path);
  }

  #setMeta(path, [mode, seconds, nanoseconds], isLink = false) {
    const full = this.#full(path);
    const number = seconds + nanoseconds / 1e9;
    const time = number < 0 ? new Date(number * 1000) : number; // Node: only a Date may be negative
    if (!isLink) fs.chmodSync(full, mode);
    fs.lutimesSync(full, time, time);
  }

  // ---- regular files ----

  #begin(path) {
    this.#open ??= { path, fd: fs.openSync(this.#place(path), "wx", 0o600), end: 0 };
    return this.#open;
  }

  /** A file with pieces but no final entry was not read to its end. */
  #drop() {
    fs.closeSync(this.#open.fd);
    fs.unlinkSync(this.#full(this.#open.path));
    this.skipped.push(this.#open.path.toString());
    this.#open = null;
  }

  #write(bytes) {
    const file = this.#open;
    for (let done = 0; done < bytes.length;) {
      done += fs.writeSync(file.fd, bytes, done, bytes.length - done, file.end + done);
    }
    file.end += bytes.length;
  }

  #writeExtents(path, offset, extents) {
    check(offset === this.#open.end, `the pieces of ${path} do not follow each other`);
    for (const [length, source, first, count] of extents) {
      const end = this.#open.end + length;
      if (source === undefined) this.#open.end = end; // a hole
      else {
        for (let n = first; n < first + count; n++) this.#write(this.#archive.chunk(n));
        check(this.#open.end === end, `an extent of ${path} has a wrong length`);
      }
    }
  }

  piece({ path, offset, extents }) {
    this.#begin(path);
    this.#writeExtents(path, offset, extents);
  }

  file({ path, meta, size, offset, extents, inline }) {
    const file = this.#begin(path);
    this.#writeExtents(path, offset, extents);
    if (inline !== null) {
      check(offset === 0 && extents.length === 0, `${path} is both inline and in chunks`);
      this.#write(inline);
    }
    check(file.end === size, `${path} has a wrong size`);
    fs.ftruncateSync(file.fd, size); // for a hole at the end
    fs.closeSync(file.fd);
    this.#open = null;
    this.#others.add(path.toString("latin1"));
    this.#setMeta(path, meta);
    this.counts.files += 1;
    this.counts.bytes += size;
  }

  // ---- others ----

  directory({ path, meta }) {
    fs.mkdirSync(this.#place(path), 0o700);
    this.#directories.add(path.toString("latin1"));
    this.#late.push({ path, meta });
  }

  link({ path, meta, target }) {
    fs.symlinkSync(target, this.#place(path));
    this.#others.add(path.toString("latin1"));
    this.#setMeta(path, meta, true);
  }

  hardLink({ path, first }) {
    check(this.#others.has(first.toString("latin1")), `${path} is a link to nothing`);
    fs.linkSync(this.#full(first), this.#place(path));
  }

  fifo({ path, meta }) {
    execFileSync("mkfifo", ["--", this.#place(path).toString()]);
    this.#others.add(path.toString("latin1"));
    this.#setMeta(path, meta);
  }
}

function readPassphrase(path) {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return text.decode(fs.readFileSync(path)).replace(/\r?\n$/, "");
}

function main(args) {
  const [path, directory, option, file] = args;
  const good = args.length === 2 || (args.length === 4 && option === "--passphrase");
  if (!good) {
    console.error("usage: node reader.mjs ARCHIVE DIR [--passphrase TEXT_FILE]");
    return 2;
  }
  try {
    const archive = new Archive(path, file === undefined ? undefined : readPassphrase(file));
    const extraction = new Extraction(archive, directory);
    extraction.run();
    archive.close();
    for (const [name, count] of Object.entries(extraction.counts)) {
      check(archive.counts[name] === count, `the root record has a wrong count of ${name}`);
    }
    for (const name of extraction.skipped) console.error(`reader: not complete: ${name}`);
    console.log(JSON.stringify(extraction.counts));
    return 0;
  } catch (error) {
    console.error(`reader: ${error.message}`);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
