/**
 * Archives and other processes that try to lead extraction out of its target.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ExtractTarget } from "../../../actors/target/target_io.ts";
import { PathSet } from "../../../actors/target/target_path_set.ts";
import { utf8 } from "../../../actors/base/bytes.ts";
import { sh, withTempDir } from "../../support/warp.ts";
import { backends, bytes, fails, isLinux, listTree, meta, put } from "./target_support.ts";

const ignore = Deno.build.os === "windows";

Deno.test("ExtractTarget refuses paths that are not safe, for everything it can make", () =>
  withTempDir(async (dir) => {
    const paths = [
      "",
      "/etc/x",
      "../x",
      "a/../x",
      "a/..",
      "..",
      ".",
      "a/./b",
      "a//b",
      "a/",
      "a\0b",
    ];
    for (const [i, backend] of backends.entries()) {
      const target = ExtractTarget.open(`${dir}/in/${i}`, { force: true }, backend);
      put(target, "first");
      for (const path of [...paths, "x/".repeat(9000) + "x"]) {
        fails("E_UNSAFE_PATH", () => target.createFile(bytes(path)));
        fails("E_UNSAFE_PATH", () => target.makeDir(bytes(path), meta()));
        fails("E_UNSAFE_PATH", () => target.makeSymlink(bytes(path), utf8("t"), meta()));
        fails("E_UNSAFE_PATH", () => target.makeFifo(bytes(path), meta()));
        fails("E_UNSAFE_PATH", () => target.makeHardLink(bytes(path), bytes("first")));
        fails("E_UNSAFE_PATH", () => target.makeHardLink(bytes("link"), bytes(path)));
      }
      fails("E_UNSAFE_PATH", () => target.makeSymlink(bytes("s"), utf8("a\0b"), meta()));
      fails("E_UNSAFE_PATH", () => target.makeSymlink(bytes("s"), utf8(""), meta()));
      target.finish();
      assert.deepEqual(await listTree(`${dir}/in/${i}`), ["first"]);
    }
    assert.deepEqual((await listTree(dir)).filter((path) => !path.startsWith("in")), []);
  }));

Deno.test({
  name: "ExtractTarget does not follow a symbolic link that the archive itself has made",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      Deno.mkdirSync(`${dir}/outside`);
      for (const [i, backend] of backends.entries()) {
        for (const force of [false, true]) {
          const target = ExtractTarget.open(`${dir}/in${i}${force}`, { force }, backend);
          target.makeSymlink(bytes("a"), utf8("../outside"), meta());
          fails("E_UNSAFE_PATH", () => put(target, "a/file"));
          fails("E_UNSAFE_PATH", () => target.makeDir(bytes("a/dir"), meta()));
          fails("E_UNSAFE_PATH", () => target.makeSymlink(bytes("a/l"), utf8("x"), meta()));
          target.makeDir(bytes("d"), meta());
          target.makeSymlink(bytes("d/up"), utf8("../../outside"), meta());
          fails("E_UNSAFE_PATH", () => put(target, "d/up/deep/file"));
          target.finish();
        }
      }
      assert.deepEqual(await listTree(`${dir}/outside`), []);
    }),
});

Deno.test({
  name: "ExtractTarget does not follow symbolic links that another process plants",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      Deno.mkdirSync(`${dir}/outside`, { mode: 0o755 });
      Deno.writeTextFileSync(`${dir}/outside/victim`, "untouched");
      for (const [i, backend] of backends.entries()) {
        const out = `${dir}/in${i}`;
        const target = ExtractTarget.open(out, { force: true }, backend);
        target.makeDir(bytes("d"), meta({ mode: 0o777 }));
        // A symbolic link under the final name is replaced, not written through.
        Deno.symlinkSync("../../outside/victim", `${out}/d/file`);
        put(target, "d/file", "mine");
        // The directory is swapped for a link while it is in work: it stays the same directory
        // (Linux), and nothing that comes later goes through the link.
        const file = target.createFile(bytes("d/late"));
        Deno.renameSync(`${out}/d`, `${out}/moved`);
        Deno.symlinkSync("../outside", `${out}/d`);
        if (backend.kind === "linux") {
          file.commit(0, meta());
          put(target, "d/later");
          target.makeDir(bytes("d/sub"), meta());
          target.finish();
          assert.deepEqual(await listTree(`${out}/moved`), ["file", "late", "later", "sub"]);
          assert.equal(await sh(`stat -c %a '${out}/moved'`), "777\n");
        } else {
          target.abort();
        }
        assert.equal(Deno.readTextFileSync(`${dir}/outside/victim`), "untouched");
        assert.equal(await sh(`stat -c %a '${dir}/outside'`), "755\n");
        if (backend.kind === "linux") {
          assert.deepEqual(await listTree(`${dir}/outside`), ["victim"]);
        }
      }
    }),
});

Deno.test({
  name: "ExtractTarget.finish() does not change a directory that a planted link leads to",
  ignore: !isLinux,
  fn: () =>
    withTempDir(async (dir) => {
      Deno.mkdirSync(`${dir}/outside`, { mode: 0o755 });
      const target = ExtractTarget.open(`${dir}/in`, { force: false });
      // Enough directories that the first is no longer open at the end.
      for (let i = 0; i < 300; i++) target.makeDir(bytes(`d${i}`), meta({ mode: 0o777 }));
      for (const name of ["d0", "d1"]) Deno.removeSync(`${dir}/in/${name}`);
      Deno.symlinkSync("../outside", `${dir}/in/d0`);
      target.finish();
      assert.equal(await sh(`stat -c %a '${dir}/outside'`), "755\n");
      const warned = target.warnings.map(({ path }) =>
        new TextDecoder().decode(path as Uint8Array)
      );
      assert.deepEqual(warned.sort(), ["d0", "d1"]);
      assert.ok(!(await listTree(`${dir}/in`)).includes("d1"));
    }),
});

Deno.test({
  name: "ExtractTarget.makeHardLink() leads only to regular files of this extraction",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      for (const [i, backend] of backends.entries()) {
        const out = `${dir}/${i}`;
        await sh(`mkdir -p '${out}' && echo theirs > '${out}/theirs'`);
        const target = ExtractTarget.open(out, { force: true }, backend);
        target.makeDir(bytes("dir"), meta());
        target.makeSymlink(bytes("link"), utf8("theirs"), meta());
        put(target, "replaced");
        target.makeSymlink(bytes("replaced"), utf8("theirs"), meta());
        target.createFile(bytes("aborted")).abort();
        for (const first of ["theirs", "dir", "link", "replaced", "aborted", "nothing"]) {
          fails("E_UNSAFE_PATH", () => target.makeHardLink(bytes("h"), bytes(first)), first);
        }
        put(target, "swapped");
        Deno.removeSync(`${out}/swapped`);
        Deno.symlinkSync("theirs", `${out}/swapped`);
        fails("E_UNSAFE_PATH", () => target.makeHardLink(bytes("h"), bytes("swapped")));
        target.finish();
        assert.deepEqual(await listTree(out), ["dir", "link", "replaced", "swapped", "theirs"]);
      }
    }),
});

Deno.test("PathSet behaves like a set of paths", () => {
  const name = fc.constantFrom("a", "b", "c", "a/b", "", "ab");
  const step = fc.tuple(fc.constantFrom("add", "delete"), name, name);
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const set = new PathSet(), model = new Set<string>();
    for (const [action, dir, file] of steps) {
      set[action as "add" | "delete"](dir, file);
      model[action as "add" | "delete"](`${dir}/${file}`);
    }
    for (const dir of ["a", "b", "c", "a/b", "", "ab"]) {
      for (const file of ["a", "b", "c", "", "ab"]) {
        assert.equal(set.has(dir, file), model.has(`${dir}/${file}`));
      }
    }
  }));
  const large = new PathSet();
  for (let i = 0; i < 50_000; i++) large.add("dir", `file${i}`);
  for (let i = 0; i < 50_000; i += 2) large.delete("dir", `file${i}`);
  for (let i = 0; i < 50_000; i++) assert.equal(large.has("dir", `file${i}`), i % 2 === 1);
  for (let i = 0; i < 50_000; i++) assert.equal(large.has("dir2", `file${i}`), false);
});
