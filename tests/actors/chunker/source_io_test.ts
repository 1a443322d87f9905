/**
 * What a source entry says about a file, and how its content is read.
 *
 * @module
 */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import type { Bytes } from "../../../actors/base/bytes.ts";
import { isWarpError } from "../../../actors/base/errors.ts";
import type { FsBackend } from "../../../actors/base/fs/backend.ts";
import { fsBackend } from "../../../actors/base/fs/choose.ts";
import { PortableBackend } from "../../../actors/base/fs/portable.ts";
import { type SourceEntry, walkSources } from "../../../actors/chunker/source_io.ts";
import { sh, withTempDir } from "../../support/warp.ts";

const portable = new PortableBackend();
const isLinux = fsBackend.kind === "linux";
const backends: FsBackend[] = isLinux ? [fsBackend, portable] : [portable];

/** Calls `use` with each entry while it can be opened. */
function each(
  dir: string,
  use: (entry: SourceEntry, name: string) => void,
  backend: FsBackend = fsBackend,
): void {
  for (const item of walkSources([`${dir}/.`], { exclude: [] }, backend)) {
    if ("problem" in item) throw item.problem.error;
    use(item.entry, text(item.entry.path));
  }
}

function text(bytes: Bytes): string {
  return new TextDecoder().decode(new Uint8Array(bytes));
}

function readAll(entry: SourceEntry): Uint8Array {
  const file = entry.open();
  try {
    const content = new Uint8Array(file.size);
    for (let at = 0; at < content.length;) {
      const count = file.read(content.subarray(at), at);
      assert.ok(count > 0);
      at += count;
    }
    return content;
  } finally {
    file.close();
  }
}

Deno.test({
  name: "SourceEntry has the mode, nanosecond times, owner and links that stat shows",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (dir) => {
      await sh(
        `cd '${dir}' && echo hello > file && chmod 4751 file && ln file hard && ln -s "to here" link &&
       mkfifo -m 640 pipe && mkdir -m 1770 sub && touch -d '1987-06-05 04:03:02.123456789Z' file &&
       touch -d '1950-01-02 03:04:05.000000001Z' sub && touch -h -d '@7.5' link`,
      );
      for (const backend of backends) {
        const seen = new Map<string, SourceEntry>();
        each(dir, (entry, name) => seen.set(name, entry), backend);
        assert.deepEqual([...seen.keys()], ["file", "hard", "link", "pipe", "sub"]);
        const types = [...seen.values()].map((entry) => entry.type);
        assert.deepEqual(types, ["file", "file", "symlink", "fifo", "dir"]);
        const file = seen.get("file")!, sub = seen.get("sub")!;
        assert.equal(file.mode, 0o4751);
        assert.equal(sub.mode, 0o1770);
        assert.equal(seen.get("pipe")!.mode, 0o640);
        // The portable calls cut times to milliseconds.
        const ns = (exact: number) => backend.kind === "linux" ? exact : exact - exact % 1e6;
        assert.deepEqual([file.mtimeS, file.mtimeNs], [549864182, ns(123456789)]);
        assert.equal(sub.mtimeS, -631054555);
        if (backend.kind === "linux") assert.equal(sub.mtimeNs, 1);
        else assert.ok(sub.mtimeNs <= 1e6);
        assert.deepEqual([seen.get("link")!.mtimeS, seen.get("link")!.mtimeNs], [7, 500_000_000]);
        assert.equal(file.nlink, 2);
        assert.equal(file.size, 6);
        const stat = statSync(`${dir}/file`, { bigint: true });
        assert.equal(BigInt(file.ino), stat.ino);
        assert.equal(file.ino, seen.get("hard")!.ino);
        const ctime = (await sh(`stat -c %.9Z '${dir}/file'`)).trim().replace(".", "");
        assert.equal(file.ctimeNs / 10n ** 9n, BigInt(ctime) / 10n ** 9n);
        if (backend.kind === "linux") assert.equal(file.ctimeNs, BigInt(ctime));
        assert.deepEqual([file.uid, file.gid], [Number(stat.uid), Number(stat.gid)]);
        assert.equal(file.owner, (await sh(`stat -c %U '${dir}/file'`)).trim());
        assert.equal(file.group, (await sh(`stat -c %G '${dir}/file'`)).trim());
        assert.equal(text(seen.get("link")!.target!), "to here");
      }
    }),
});

Deno.test({
  name: "SourceEntry.xattrs are those of files, directories and hard links, sorted by name",
  ignore: !isLinux,
  fn: () =>
    withTempDir(async (dir) => {
      await sh(
        `cd '${dir}' && echo x > file && ln file hard && mkdir sub && echo x > plain && ln -s q link &&
       setfattr -n user.zz -v last file && setfattr -n user.aa -v 0x00ff file &&
       setfattr -n user.empty file && setfattr -n user.d -v dir sub`,
      );
      const seen = new Map<string, Bytes[] | null>();
      each(dir, (entry, name) => seen.set(name, entry.xattrs));
      const shown = (name: string) => seen.get(name)?.map((b) => b.length === 2 ? [...b] : text(b));
      const expected = ["user.aa", [0, 255], "user.empty", "", "user.zz", "last"];
      assert.deepEqual(shown("file"), expected);
      assert.deepEqual(shown("hard"), expected);
      assert.deepEqual(shown("sub"), ["user.d", "dir"]);
      assert.equal(seen.get("plain"), null);
      assert.equal(seen.get("link"), null);
      // Of an opened file they are kept for as long as the entry is.
      const entries: SourceEntry[] = [];
      each(dir, (entry) => {
        if (entry.type !== "file") return;
        entry.open().close();
        entries.push(entry);
      });
      assert.equal(entries[0]!.xattrs?.length, 6);
      assert.equal(entries[2]!.xattrs, null);
    }),
});

Deno.test("SourceFile.read() gives the content at any offset, also into shared memory", () =>
  withTempDir((dir) => {
    const content = crypto.getRandomValues(new Uint8Array(50_000));
    Deno.writeFileSync(`${dir}/file`, content);
    Deno.writeFileSync(`${dir}/none`, new Uint8Array());
    for (const backend of backends) {
      each(dir, (entry, name) => {
        const file = entry.open();
        assert.equal(file.changed(), false);
        if (name === "none") {
          assert.deepEqual(file.dataSegments(), []);
          assert.equal(file.read(new Uint8Array(9), 0), 0);
        } else {
          assert.deepEqual(file.dataSegments(), [{ offset: 0, length: 50_000 }]);
          const shared = new Uint8Array(new SharedArrayBuffer(1000));
          assert.equal(file.read(shared, 12_345), 1000);
          assert.deepEqual(new Uint8Array(shared), content.slice(12_345, 13_345));
          assert.equal(file.read(shared, 49_990), 10);
          assert.equal(file.read(shared, 50_000), 0);
        }
        file.close();
        file.close();
      }, backend);
    }
    return Promise.resolve();
  }));

Deno.test({
  name: "SourceFile.dataSegments() leaves holes out and covers all data",
  ignore: !isLinux,
  fn: () =>
    withTempDir(async (dir) => {
      await sh(
        `cd '${dir}' && truncate -s 10M ends && printf x | dd of=ends bs=1 seek=5M conv=notrunc 2>&1 &&
       truncate -s 3M hole && printf abc > begins && truncate -s 5G begins`,
      );
      const segments = new Map<string, { offset: number; length: number }[]>();
      each(dir, (entry, name) => {
        const file = entry.open();
        segments.set(name, file.dataSegments());
        file.close();
      });
      assert.deepEqual(segments.get("hole"), []);
      const [begins] = segments.get("begins")!;
      assert.equal(begins!.offset, 0);
      assert.ok(begins!.length >= 3 && begins!.length <= 2 ** 21);
      const [ends] = segments.get("ends")!;
      const byte = 5 * 2 ** 20;
      assert.equal(segments.get("ends")!.length, 1);
      assert.ok(ends!.offset <= byte && ends!.offset + ends!.length > byte);
      assert.ok(ends!.length <= 2 ** 21);
      each(dir, (entry, name) => {
        if (name !== "ends") return;
        const content = readAll(entry);
        assert.equal(content.indexOf(0x78), byte);
      });
    }),
});

Deno.test("SourceFile.changed() notices growth, a new time and new content of the same size", () =>
  withTempDir((dir) => {
    Deno.writeTextFileSync(`${dir}/file`, "one");
    const changes: (() => void)[] = [
      () => Deno.writeTextFileSync(`${dir}/file`, "more", { append: true }),
      () => Deno.truncateSync(`${dir}/file`, 1),
      () => Deno.utimeSync(`${dir}/file`, 5, 5),
    ];
    for (const backend of backends) {
      for (const change of changes) {
        Deno.writeTextFileSync(`${dir}/file`, "one");
        each(dir, (entry) => {
          const file = entry.open();
          assert.equal(file.size, 3);
          change();
          assert.equal(file.changed(), true);
          assert.equal(file.size, 3);
          file.close();
        }, backend);
      }
    }
    return Promise.resolve();
  }));

Deno.test("SourceEntry.open() renews size and times of a file that changed since it was found", () =>
  withTempDir((dir) => {
    for (const backend of backends) {
      Deno.writeTextFileSync(`${dir}/file`, "x");
      each(dir, (entry) => {
        Deno.writeTextFileSync(`${dir}/file`, "longer");
        Deno.utimeSync(`${dir}/file`, 100, 100);
        assert.equal(text(readAll(entry)), "longer");
        assert.deepEqual([entry.size, entry.mtimeS, entry.mtimeNs], [6, 100, 0]);
      }, backend);
    }
    return Promise.resolve();
  }));

Deno.test({
  name: "SourceEntry.open() fails when the file is gone, replaced or became a symbolic link",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir((dir) => {
      Deno.mkdirSync(`${dir}/tree`);
      const path = `${dir}/tree/file`;
      Deno.writeTextFileSync(`${dir}/secret`, "secret");
      const changes: [change: () => void, code: "E_NOT_FOUND" | "E_IO"][] = [
        [() => Deno.removeSync(path), "E_NOT_FOUND"],
        [() => {
          Deno.writeTextFileSync(`${dir}/new`, "x");
          Deno.renameSync(`${dir}/new`, path);
        }, "E_IO"],
        [() => {
          Deno.removeSync(path);
          Deno.symlinkSync(`${dir}/secret`, path);
        }, "E_IO"],
      ];
      for (const backend of backends) {
        for (const [change, code] of changes) {
          if (Deno.lstatSync(`${dir}/tree`)) Deno.removeSync(`${dir}/tree`, { recursive: true });
          Deno.mkdirSync(`${dir}/tree`);
          Deno.writeTextFileSync(path, "x");
          each(`${dir}/tree`, (entry) => {
            change();
            assert.throws(() => entry.open(), (error) => isWarpError(error, code));
          }, backend);
        }
      }
      return Promise.resolve();
    }),
});

Deno.test("SourceEntry.open() is a bug once the walk has gone on", () =>
  withTempDir((dir) => {
    Deno.writeTextFileSync(`${dir}/a`, "x");
    Deno.writeTextFileSync(`${dir}/b`, "x");
    const entries: SourceEntry[] = [];
    each(dir, (entry) => entries.push(entry));
    assert.throws(() => entries[0]!.open(), /invariant/);
    assert.throws(() => entries[1]!.open(), /invariant/);
    return Promise.resolve();
  }));
