/**
 * What extraction makes: content, metadata, links, and what is left after failures.
 *
 * @module
 */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { ExtractTarget } from "../../../actors/target/target_io.ts";
import { concat, utf8 } from "../../../actors/base/bytes.ts";
import { sh, withTempDir } from "../../support/warp.ts";
import { backends, bytes, fails, isLinux, isRoot, listTree, meta, put } from "./target_support.ts";

const ignore = Deno.build.os === "windows";

Deno.test({
  name: "ExtractTarget restores modes, times, links and fifos as stat shows them",
  ignore: !isLinux,
  fn: () =>
    withTempDir(async (dir) => {
      const target = ExtractTarget.open(`${dir}/new/out`, { force: false });
      target.makeDir(bytes("d"), meta({ mode: 0o1751, mtimeS: -5, mtimeNs: 7 }));
      put(target, "d/file", "hello", meta({ mode: 0o400, mtimeS: 2 ** 33, mtimeNs: 999_999_999 }));
      target.makeHardLink(bytes("d/hard"), bytes("d/file"));
      target.makeSymlink(bytes("d/link"), utf8("../no where"), meta({ mtimeS: 99, mtimeNs: 1 }));
      target.makeFifo(bytes("d/pipe"), meta({ mode: 0o620, mtimeS: 3 }));
      put(target, "top", "");
      target.finish();
      assert.deepEqual(target.warnings, []);
      const shown = await sh(
        `cd '${dir}/new/out' && find . -mindepth 1 -printf '%P %y %m %T@ %n %l\\n' | LC_ALL=C sort`,
      );
      assert.deepEqual(
        shown.split("\n").slice(0, -1),
        [
          // find shows seconds and nanoseconds side by side, also below zero.
          "d d 1751 -5.0000000070 2 ",
          "d/file f 400 8589934592.9999999990 2 ",
          "d/hard f 400 8589934592.9999999990 2 ",
          "d/link l 777 99.0000000010 1 ../no where",
          "d/pipe p 620 3.1230000000 1 ",
          "top f 644 1234567890.1230000000 1 ",
        ],
      );
      assert.equal(Deno.readTextFileSync(`${dir}/new/out/d/hard`), "hello");
    }),
});

Deno.test({
  name: "ExtractTarget works through the portable backend and warns of what is lost",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      const target = ExtractTarget.open(dir, { force: false }, backends.at(-1));
      target.makeDir(bytes("d"), meta({ mode: 0o555 }));
      put(target, "d/é", "hello", meta({ mode: 0o640, xattrs: [utf8("user.a"), utf8("b")] }));
      target.makeHardLink(bytes("d/hard"), bytes("d/é"));
      target.makeSymlink(bytes("d/link"), utf8("é"), meta());
      target.makeFifo(bytes("d/pipe"), meta());
      fails("E_IO", () => put(target, new Uint8Array([0x61, 0xff])));
      target.finish();
      assert.deepEqual(target.warnings.map(({ message }) => message), [
        "extended attributes cannot be kept on this system",
        "fifos cannot be made on this system",
      ]);
      assert.deepEqual(await listTree(dir), ["d", "d/hard", "d/link", "d/é"]);
      const file = statSync(`${dir}/d/é`, { bigint: true });
      assert.equal(file.mtimeNs, 1_234_567_890_123_000_000n);
      assert.equal(file.mode & 0o7777n, 0o640n);
      assert.equal(file.nlink, 2n);
      assert.equal(statSync(`${dir}/d`).mode & 0o7777, 0o555);
      assert.equal(Deno.readTextFileSync(`${dir}/d/link`), "hello");
    }),
});

Deno.test({
  name: "ExtractTarget restores extended attributes, also on read-only files and directories",
  ignore: !isLinux,
  fn: () =>
    withTempDir(async (dir) => {
      const target = ExtractTarget.open(dir, { force: false });
      const xattrs = [utf8("user.a"), new Uint8Array([0, 255]), utf8("user.e"), new Uint8Array()];
      target.makeDir(bytes("d"), meta({ mode: 0o555, xattrs }));
      put(target, "d/f", "x", meta({ mode: 0o444, xattrs }));
      put(target, "bad", "x", meta({ xattrs: [utf8("nonsense"), utf8("b")] }));
      target.finish();
      const shown = await sh(`cd '${dir}' && getfattr -d -m - -e hex d d/f`);
      const attributes = "user.a=0x00ff\nuser.e=0x\n";
      assert.equal(
        shown.replaceAll("user.e\n", "user.e=0x\n"),
        `# file: d\n${attributes}\n# file: d/f\n${attributes}\n`,
      );
      assert.equal(target.warnings.length, 1);
      assert.match(target.warnings[0]!.message, /extended attribute.*"nonsense"/);
      assert.equal(Deno.readTextFileSync(`${dir}/bad`), "x");
    }),
});

Deno.test({
  name: "ExtractTarget drops setuid bits and security attributes unless they are allowed",
  ignore: !isLinux,
  fn: () =>
    withTempDir(async (dir) => {
      const capability = utf8("security.capability");
      // VFS_CAP_REVISION_2 with CAP_NET_RAW permitted and effective.
      const value = new Uint8Array(20);
      value.set([1, 0, 0, 2, 0, 0x20]);
      const xattrs = [capability, value, utf8("user.k"), utf8("v")];
      for (const allowSetuid of [false, true]) {
        const out = `${dir}/${allowSetuid}`;
        const target = ExtractTarget.open(out, { force: false, allowSetuid });
        put(target, "f", "x", meta({ mode: 0o6755, xattrs }));
        target.makeDir(bytes("d"), meta({ mode: 0o7755 }));
        target.finish();
        const modes = await sh(`cd '${out}' && stat -c %a f d`);
        assert.equal(modes, allowSetuid ? "6755\n7755\n" : "755\n1755\n");
        const names = await sh(`cd '${out}' && getfattr -m - f | grep =*.*\\\\.`);
        assert.ok(names.includes("user.k"));
        if (isRoot) assert.equal(names.includes("security.capability"), allowSetuid);
      }
    }),
});

Deno.test({
  name: "ExtractTarget restores owners as root: a known name wins over the number",
  ignore: !isLinux || !isRoot,
  fn: () =>
    withTempDir(async (dir) => {
      const daemon = Number(await sh("id -u daemon"));
      const own = meta({ uid: 12_345, gid: 54_321 });
      const target = ExtractTarget.open(dir, { force: false, allowSetuid: true });
      put(target, "number", "x", { ...own, mode: 0o4755 });
      put(target, "name", "x", { ...own, owner: "daemon", group: "no such group" });
      target.makeSymlink(bytes("link"), utf8("x"), own);
      target.makeFifo(bytes("pipe"), own);
      target.makeDir(bytes("sub"), own);
      put(target, "odd", "x", meta({ uid: 2 ** 32 - 1, mode: 0o4755 }));
      target.finish();
      const shown = await sh(`cd '${dir}' && stat -c '%n %u %g %a' number name link pipe sub odd`);
      assert.deepEqual(shown.trimEnd().split("\n"), [
        "number 12345 54321 4755",
        `name ${daemon} 54321 644`,
        "link 12345 54321 777",
        "pipe 12345 54321 644",
        "sub 12345 54321 644",
        "odd 0 0 755",
      ]);
      assert.deepEqual(target.warnings.map(({ message }) => message), [
        "the archive names an impossible owner",
      ]);
      const plain = ExtractTarget.open(`${dir}/plain`, { force: false, sameOwner: false });
      put(plain, "f", "x", own);
      plain.finish();
      assert.equal(await sh(`stat -c '%u %g' '${dir}/plain/f'`), "0 0\n");
    }),
});

Deno.test("TargetFile leaves what is not written as holes, and takes shared memory", () =>
  withTempDir(async (dir) => {
    for (const [i, backend] of backends.entries()) {
      const target = ExtractTarget.open(`${dir}/${i}`, { force: false }, backend);
      const file = target.createFile(bytes("sparse"));
      const shared = new Uint8Array(new SharedArrayBuffer(4096)).fill(0x41);
      file.write(shared, 2 ** 20);
      file.write(shared.subarray(0, 3), 5);
      file.commit(2 ** 33, meta());
      put(target, "cut", "0123456789", meta());
      const cut = target.createFile(bytes("cut2"));
      cut.write(utf8("0123456789"), 0);
      cut.commit(4, meta());
      target.finish();
      const stat = statSync(`${dir}/${i}/sparse`);
      assert.equal(stat.size, 2 ** 33);
      assert.ok(stat.blocks * 512 <= 2 ** 20);
      assert.equal(Deno.readTextFileSync(`${dir}/${i}/cut2`), "0123");
      const found = await sh(`head -c 1052672 '${dir}/${i}/sparse' | tr -d '\\0'`);
      assert.equal(found, "AAA" + "A".repeat(4096));
    }
  }));

Deno.test("TargetFile.abort() and failures leave nothing, under no name", () =>
  withTempDir(async (dir) => {
    for (const [i, backend] of backends.entries()) {
      const out = `${dir}/${i}`;
      const target = ExtractTarget.open(out, { force: false }, backend);
      const file = target.createFile(bytes("a"));
      file.write(utf8("half"), 0);
      assert.equal((await listTree(out)).length, 1);
      assert.match((await listTree(out))[0]!, /^\.warp-[0-9a-z]+\.tmp$/);
      file.abort();
      file.abort();
      assert.deepEqual(await listTree(out), []);
      const late = target.createFile(bytes("late"));
      Deno.writeTextFileSync(`${out}/late`, "someone else's");
      fails("E_EXISTS", () => late.commit(0, meta()));
      late.abort();
      target.createFile(bytes("open at the end"));
      target.finish();
      assert.deepEqual(await listTree(out), ["late"]);
      assert.equal(Deno.readTextFileSync(`${out}/late`), "someone else's");
      const other = ExtractTarget.open(out, { force: false }, backend);
      other.createFile(bytes("x/y"));
      other.abort();
      assert.deepEqual(await listTree(out), ["late", "x"]);
    }
  }));

Deno.test({
  name: "ExtractTarget without force refuses every name that is taken",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      for (const [i, backend] of backends.entries()) {
        const out = `${dir}/${i}`;
        await sh(
          `mkdir -p '${out}/d' && cd '${out}' && echo old > f && ln -s f l && echo in > d/in`,
        );
        const before = await listTree(out);
        const target = ExtractTarget.open(out, { force: false }, backend);
        for (const name of ["f", "l", "d"]) {
          fails("E_EXISTS", () => put(target, name), name);
          fails("E_EXISTS", () => target.makeSymlink(bytes(name), utf8("x"), meta()), name);
        }
        fails("E_EXISTS", () => target.makeDir(bytes("f"), meta()));
        fails("E_EXISTS", () => target.makeDir(bytes("l"), meta()));
        fails("E_EXISTS", () => put(target, "f/below"));
        put(target, "new");
        fails("E_EXISTS", () => target.makeHardLink(bytes("f"), bytes("new")));
        fails("E_EXISTS", () => put(target, "new"));
        target.makeDir(bytes("d"), meta({ mode: 0o710 })); // directories merge
        put(target, "d/more");
        target.finish();
        assert.deepEqual(await listTree(out), [...before, "d/more", "new"].sort());
        assert.equal(Deno.readTextFileSync(`${out}/f`), "old\n");
        assert.equal(statSync(`${out}/d`).mode & 0o7777, 0o710);
      }
    }),
});

Deno.test({
  name: "ExtractTarget with force replaces files and links, never a directory by a file",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      for (const [i, backend] of backends.entries()) {
        const out = `${dir}/${i}`;
        await sh(
          `mkdir -p '${out}/d' '${out}/empty' && cd '${out}' && echo keep > ../kept && echo old > f &&
           ln -s ../kept l1 && ln -s ../kept l2 && echo old > g && echo old > h && echo in > d/in`,
        );
        const target = ExtractTarget.open(out, { force: true }, backend);
        put(target, "f", "new");
        put(target, "l1", "new");
        target.makeDir(bytes("l2"), meta({ mode: 0o755 }));
        put(target, "l2/x", "new");
        target.makeSymlink(bytes("g"), utf8("f"), meta());
        target.makeHardLink(bytes("h"), bytes("f"));
        for (const name of ["d", "empty"]) {
          fails("E_EXISTS", () => put(target, name), name);
          fails("E_EXISTS", () => target.makeSymlink(bytes(name), utf8("x"), meta()), name);
          fails("E_EXISTS", () => target.makeHardLink(bytes(name), bytes("f")), name);
        }
        fails("E_EXISTS", () => put(target, "f/below")); // only an entry replaces it
        target.finish();
        const names = ["d", "d/in", "empty", "f", "g", "h", "l1", "l2", "l2/x"];
        assert.deepEqual(await listTree(out), names);
        for (const name of ["f", "g", "h", "l1", "l2/x"]) {
          assert.equal(Deno.readTextFileSync(`${out}/${name}`), "new", name);
        }
        assert.equal(Deno.readTextFileSync(`${dir}/kept`), "keep\n");
        assert.ok(!Deno.lstatSync(`${out}/l1`).isSymlink);
      }
    }),
});

Deno.test({
  name: "ExtractTarget makes missing parents, private while in work and 0755 less the umask after",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      for (const [i, backend] of backends.entries()) {
        const out = `${dir}/${i}`;
        const target = ExtractTarget.open(out, { force: false }, backend);
        put(target, "a/b/c/file");
        target.makeDir(bytes("a/b"), meta({ mode: 0o501, mtimeS: 77, mtimeNs: 0 })); // late entry
        assert.equal(await sh(`cd '${out}' && stat -c %a a a/b a/b/c`), "700\n700\n700\n");
        put(target, "a/b/file2");
        target.finish();
        target.finish();
        const open = (0o755 & ~Deno.umask()).toString(8);
        assert.equal(await sh(`cd '${out}' && stat -c %a a a/b a/b/c`), `${open}\n501\n${open}\n`);
        assert.equal(await sh(`stat -c %Y '${out}/a/b'`), "77\n");
      }
    }),
});

Deno.test({
  name: "ExtractTarget.abort() gives directories that existed their mode back",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      await sh(`mkdir -m 0555 '${dir}/d'`);
      const target = ExtractTarget.open(dir, { force: false });
      target.makeDir(bytes("d"), meta({ mode: 0o777 }));
      put(target, "d/f");
      assert.equal(await sh(`stat -c %a '${dir}/d'`), "755\n");
      target.abort();
      assert.equal(await sh(`stat -c %a '${dir}/d'`), "555\n");
    }),
});

Deno.test({
  name: "ExtractTarget keeps names of any bytes, of 255 bytes, and paths of 4000 bytes and more",
  ignore: !isLinux,
  fn: () =>
    withTempDir(async (dir) => {
      const target = ExtractTarget.open(dir, { force: false });
      const odd = new Uint8Array([0x0a, 0xff, 0x80, 0x2d]);
      put(target, odd, "odd");
      put(target, "n".repeat(255), "long");
      fails("E_IO", () => put(target, "n".repeat(256)));
      const path = Array.from({ length: 16 }, () => "p".repeat(249)).join("/");
      assert.equal(path.length, 3999);
      target.makeDir(bytes(path), meta({ mode: 0o700, mtimeS: 9, mtimeNs: 9 }));
      put(target, `${path}/f`, "deep");
      const steps = Array.from({ length: 2500 }, () => "s").join("/");
      put(target, `${steps}/f`, "deeper");
      target.makeHardLink(bytes(`${steps}/g`), bytes(`${path}/f`));
      put(target, concat(utf8("d/"), odd));
      target.finish();
      assert.deepEqual(target.warnings, []);
      const script = `import os
d = os.open(${JSON.stringify(dir)}, os.O_RDONLY)
assert os.stat(b"\\n\\xff\\x80-", dir_fd=d).st_size == 3
for i in range(2500):
    n = os.open("s", os.O_RDONLY, dir_fd=d); os.close(d); d = n
print(os.stat("f", dir_fd=d).st_size, os.stat("g", dir_fd=d).st_nlink, len(os.listdir(d)))`;
      assert.equal(await sh(`python3 -c '${script}'`), "6 2 2\n");
      const shown = await sh(`cd '${dir}' && cd ${path.slice(0, 1999)} && cd ${path.slice(2000)} &&
        cat f && stat -c ' %Y' .`);
      assert.equal(shown, "deep 9\n");
    }),
});

Deno.test({
  name: "ExtractTarget handles many directories at once and closes all it opened",
  ignore: !isLinux,
  fn: () =>
    withTempDir(async (dir) => {
      const count = () => [...Deno.readDirSync("/proc/self/fd")].length;
      const before = count();
      const target = ExtractTarget.open(dir, { force: false });
      const files = [];
      for (let i = 0; i < 400; i++) {
        target.makeDir(bytes(`d${i}`), meta({ mode: 0o111, mtimeS: i }));
      }
      for (let i = 0; i < 400; i++) put(target, `d${i * 7 % 400}/f`);
      // Files in work keep their directories open past the cache's limit.
      for (let i = 0; i < 200; i++) files.push(target.createFile(bytes(`d${i}/late`)));
      for (const file of files) file.commit(0, meta());
      target.finish();
      assert.deepEqual(target.warnings, []);
      assert.equal(count(), before);
      const shown = await sh(
        `cd '${dir}' && stat -c '%a %Y' d0 d199 d399 && chmod -R u+rwX . && ls d*/* | wc -l`,
      );
      assert.equal(shown, "111 0\n111 199\n111 399\n600\n");
    }),
});

Deno.test("ExtractTarget.open() refuses a file in place of the directory", () =>
  withTempDir((dir) => {
    Deno.writeTextFileSync(`${dir}/f`, "x");
    fails("E_EXISTS", () => ExtractTarget.open(`${dir}/f`, { force: true }));
    return Promise.resolve();
  }));
