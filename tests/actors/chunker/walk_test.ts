/**
 * Walks over real trees: order, sources, names, and what cannot be stored.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, toHex, utf8 } from "../../../actors/base/bytes.ts";
import { isWarpError } from "../../../actors/base/errors.ts";
import type { FsBackend } from "../../../actors/base/fs/backend.ts";
import { fsBackend } from "../../../actors/base/fs/choose.ts";
import { PortableBackend } from "../../../actors/base/fs/portable.ts";
import { comparePaths, isSafePath } from "../../../actors/base/path_order.ts";
import { walkSources } from "../../../actors/chunker/source_io.ts";
import { sh } from "../../support/warp.ts";

const portable = new PortableBackend();
const isLinux = fsBackend.kind === "linux";
const backends: FsBackend[] = isLinux ? [fsBackend, portable] : [portable];

function inTree(action: (dir: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const dir = await Deno.makeTempDir({ prefix: "warp-walk-" });
    try {
      await action(dir);
    } finally {
      await sh(`chmod -R u+rwX '${dir}'; rm -rf '${dir}'`);
    }
  };
}

interface Seen {
  paths: string[];
  problems: string[];
}

function walk(sources: string[], exclude: string[] = [], backend: FsBackend = fsBackend): Seen {
  const seen: Seen = { paths: [], problems: [] };
  let last: Bytes | undefined;
  for (const item of walkSources(sources, { exclude }, backend)) {
    if ("problem" in item) {
      const { path, error } = item.problem;
      seen.problems.push(`${text(path)}: ${error.code} ${error.message}`);
      continue;
    }
    const { path, type } = item.entry;
    assert.ok(isSafePath(path));
    if (last !== undefined) {
      assert.ok(comparePaths(last, path) < 0, `${text(last)} < ${text(path)}`);
    }
    last = path;
    seen.paths.push(text(path) + (type === "dir" ? "/" : ""));
  }
  return seen;
}

function text(path: Bytes): string {
  return new TextDecoder().decode(new Uint8Array(path));
}

Deno.test(
  "walkSources() gives entries in comparePaths order",
  inTree((dir) => {
    Deno.mkdirSync(`${dir}/a/b`, { recursive: true });
    Deno.mkdirSync(`${dir}/a-b`);
    for (const name of ["a.b", "a-", "A", "a/x", "a/b/y", "a/b.c", "a-b/z", "a0"]) {
      Deno.writeTextFileSync(`${dir}/${name}`, name);
    }
    const expected = [
      "A",
      "a/",
      "a/b/",
      "a/b/y",
      "a/b.c",
      "a/x",
      "a-",
      "a-b/",
      "a-b/z",
      "a.b",
      "a0",
    ];
    for (const backend of backends) {
      assert.deepEqual(walk([`${dir}/.`], [], backend), { paths: expected, problems: [] });
    }
  }),
);

Deno.test(
  "walkSources() finds every path of any tree, in ascending order",
  inTree((base) => {
    const name = fc.string({
      unit: fc.constantFrom("a", "b", ".", "-", "0", " ", "é", "~", "\x01"),
      minLength: 1,
      maxLength: 3,
    }).filter((text) => text !== "." && text !== "..");
    const paths = fc.array(fc.array(name, { minLength: 1, maxLength: 4 }), { maxLength: 25 });
    let run = 0;
    fc.assert(
      fc.property(paths, (lists) => {
        const dir = `${base}/${run++}`;
        Deno.mkdirSync(dir);
        const expected = new Map<string, Bytes>();
        for (const parts of lists) {
          Deno.mkdirSync(`${dir}/${parts.join("/")}`, { recursive: true });
          for (let i = 1; i <= parts.length; i++) {
            const path = parts.slice(0, i).join("/");
            expected.set(path, utf8(path));
          }
        }
        const sorted = [...expected.values()].sort(comparePaths).map((path) => `${text(path)}/`);
        for (const backend of backends) {
          assert.deepEqual(walk([`${dir}/.`], [], backend).paths, sorted);
        }
      }),
      { numRuns: 60 },
    );
  }),
);

Deno.test(
  "walkSources() stores a source under its last name, and a directory's content for `.`",
  inTree((dir) => {
    Deno.mkdirSync(`${dir}/top/sub`, { recursive: true });
    Deno.writeTextFileSync(`${dir}/top/sub/file`, "x");
    Deno.writeTextFileSync(`${dir}/other`, "x");
    Deno.symlinkSync("top", `${dir}/link`);
    for (const backend of backends) {
      const at = (...sources: string[]) => walk(sources, [], backend).paths;
      const whole = ["top/", "top/sub/", "top/sub/file"];
      assert.deepEqual(at(`${dir}/top`), whole);
      assert.deepEqual(at(`${dir}/top///`), whole);
      assert.deepEqual(at(`${dir}/top/.`), ["sub/", "sub/file"]);
      assert.deepEqual(at(`${dir}/top/./`), ["sub/", "sub/file"]);
      assert.deepEqual(at(`${dir}/top/sub/..`), ["sub/", "sub/file"]);
      assert.deepEqual(at(`${dir}/top/sub/file`), ["file"]);
      assert.deepEqual(at(`${dir}/top`, `${dir}/other`, `${dir}/top/sub`), [
        "other",
        "sub/",
        "sub/file",
        ...whole,
      ]);
      assert.deepEqual(at(`${dir}/link`, `${dir}/link/sub`), ["link", "sub/", "sub/file"]);
    }
  }),
);

Deno.test(
  "walkSources() refuses sources that are missing, empty or share a name",
  inTree((dir) => {
    Deno.mkdirSync(`${dir}/a/x`, { recursive: true });
    Deno.mkdirSync(`${dir}/b/x`, { recursive: true });
    Deno.writeTextFileSync(`${dir}/file`, "x");
    for (const backend of backends) {
      const fails = (sources: string[], code: "E_USAGE" | "E_NOT_FOUND") =>
        assert.throws(() => walk(sources, [], backend), (error) => isWarpError(error, code));
      fails([`${dir}/nothing`], "E_NOT_FOUND");
      fails([`${dir}/nothing/x`], "E_NOT_FOUND");
      fails([`${dir}/file/x`], "E_NOT_FOUND");
      fails([`${dir}/nothing/.`], "E_NOT_FOUND");
      fails([`${dir}/a/x`, `${dir}/b/x`], "E_USAGE");
      fails([`${dir}/a/.`, `${dir}/b/x`], "E_USAGE");
      fails([""], "E_USAGE");
      fails(["a\0b"], "E_USAGE");
    }
    assert.throws(() => walk([dir], ["[a"]), (error) => isWarpError(error, "E_USAGE"));
  }),
);

Deno.test(
  "walkSources() prunes what is excluded without looking at it",
  inTree((dir) => {
    Deno.mkdirSync(`${dir}/src/node_modules/deep`, { recursive: true });
    Deno.mkdirSync(`${dir}/src/tmp`);
    for (const name of ["src/a.o", "src/a.c", "src/tmp/x", "src/node_modules/deep/y"]) {
      Deno.writeTextFileSync(`${dir}/${name}`, "x");
    }
    for (const backend of backends) {
      const at = (...exclude: string[]) => walk([`${dir}/src`], exclude, backend).paths;
      assert.deepEqual(at("node_modules", "*.o", "/src/tmp"), ["src/", "src/a.c"]);
      assert.deepEqual(at("/src"), []);
      assert.deepEqual(at("tmp/x", "**/deep", "/a.c"), [
        "src/",
        "src/a.c",
        "src/a.o",
        "src/node_modules/",
        "src/tmp/",
      ]);
    }
  }),
);

Deno.test({
  name: "walkSources() names sockets and devices as not stored, and goes on",
  ignore: Deno.build.os !== "linux",
  fn: inTree(async (dir) => {
    await sh(`cd '${dir}' && mkfifo fifo && echo x > z`);
    const socket = Deno.listen({ transport: "unix", path: `${dir}/sock` });
    try {
      for (const backend of backends) {
        const seen = walk([`${dir}/.`], [], backend);
        assert.deepEqual(seen.paths, ["fifo", "z"]);
        assert.equal(seen.problems.length, 1);
        assert.match(seen.problems[0]!, /^sock: E_IO it is a socket: not stored/);
      }
    } finally {
      socket.close();
    }
  }),
});

Deno.test({
  name: "walkSources() keeps names with newlines, of 255 bytes and of bytes that are not UTF-8",
  ignore: !isLinux,
  fn: inTree(async (dir) => {
    await sh(
      `cd '${dir}' && printf x > "$(printf 'a\\nb')" && printf x > "$(printf 'c\\377d')" && ` +
        `printf x > "$(printf '%0255d' 0)" && mkdir "$(printf '\\200')" && ` +
        `printf x > "$(printf '\\200')/in" && printf x > "$(printf '\\357\\277\\275')"`,
    );
    const paths: string[] = [];
    for (const item of walkSources([`${dir}/.`], { exclude: [] })) {
      assert.ok("entry" in item);
      paths.push(toHex(item.entry.path));
      if (item.entry.type === "file") {
        const file = item.entry.open();
        assert.equal(file.size, 1);
        file.close();
      }
    }
    const name255 = toHex(utf8("0".repeat(255)));
    assert.deepEqual(paths, [name255, "610a62", "63ff64", "80", "802f696e", "efbfbd"]);
    const lossy = walk([`${dir}/.`], [], portable);
    assert.deepEqual(lossy.paths, ["0".repeat(255), "a\nb"]);
    assert.equal(lossy.problems.length, 2);
    assert.ok(lossy.problems.every((problem) => /E_IO the name ".*" is not UTF-8/.test(problem)));
  }),
});

Deno.test({
  name: "walkSources() goes down 300 directories and back, beyond PATH_MAX",
  ignore: !isLinux,
  fn: inTree(async (dir) => {
    // Made from the inside: no path of this length can be opened at once.
    const make = `import os
os.chdir(${JSON.stringify(dir)})
for i in range(300):
    os.mkdir("d" * 20); open("e", "w").close(); os.chdir("d" * 20)
open("bottom", "w").write("down here")`;
    await sh(`python3 -c '${make}'`);
    const seen = walk([`${dir}/.`]);
    assert.deepEqual(seen.problems, []);
    assert.equal(seen.paths.length, 601);
    assert.equal(seen.paths.at(-1), "e");
    assert.ok(seen.paths.some((path) => path.length === 21 * 300 + 6 && path.endsWith("bottom")));
  }),
});

Deno.test({
  name: "walkSources() gives up a directory that is moved away while the walk is deep below it",
  ignore: !isLinux,
  fn: inTree((dir) => {
    const deep = Array.from({ length: 100 }, () => "d").join("/");
    Deno.mkdirSync(`${dir}/top/${deep}`, { recursive: true });
    Deno.writeTextFileSync(`${dir}/top/z`, "x");
    Deno.mkdirSync(`${dir}/elsewhere`);
    const problems: string[] = [];
    for (const item of walkSources([`${dir}/top`], { exclude: [] })) {
      if ("problem" in item) problems.push(item.problem.error.message);
      else if (item.entry.path.length === 3 + 2 * 90) {
        Deno.renameSync(`${dir}/top/d/d/d`, `${dir}/elsewhere/d`);
      }
    }
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, /moved while it was read/);
  }),
});

Deno.test(
  "walkSources() closes its directories when it is left early",
  inTree((dir) => {
    Deno.mkdirSync(`${dir}/a/b/c`, { recursive: true });
    const count = () => isLinux ? [...Deno.readDirSync("/proc/self/fd")].length : 0;
    const before = count();
    for (let i = 0; i < 20; i++) {
      for (const item of walkSources([`${dir}/a`], { exclude: [] })) {
        if ("entry" in item && item.entry.path.length === 5) break;
      }
      assert.throws(() => walk([`${dir}/a`, `${dir}/missing`]));
    }
    assert.equal(count(), before);
  }),
);

Deno.test({
  name: "walkSources() reports a file that vanishes between listing and looking",
  ignore: !isLinux,
  fn: inTree((dir) => {
    for (const name of ["a", "b", "c"]) Deno.writeTextFileSync(`${dir}/${name}`, name);
    const found: string[] = [];
    for (const item of walkSources([`${dir}/.`], { exclude: [] })) {
      if ("problem" in item) {
        assert.equal(item.problem.error.code, "E_NOT_FOUND");
        found.push(`gone ${text(item.problem.path)}`);
      } else {
        found.push(text(item.entry.path));
        if (found.length === 1) Deno.removeSync(`${dir}/b`);
      }
    }
    assert.deepEqual(found, ["a", "gone b", "c"]);
  }),
});

Deno.test({
  name: "walkSources() stays on one file system when asked",
  ignore: !isLinux,
  fn() {
    const device = (path: string) => Deno.statSync(path).dev;
    if (device("/dev") === device("/dev/shm")) return;
    const exclude = ["/dev/shm/[!w]*"]; // whatever else is there
    const paths = (oneFileSystem: boolean) => {
      const found: string[] = [];
      for (const item of walkSources(["/dev"], { exclude, oneFileSystem })) {
        if ("entry" in item) found.push(text(item.entry.path));
      }
      return found;
    };
    const marker = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "warp-mount-" });
    try {
      const name = marker.split("/").at(-1);
      assert.ok(paths(false).includes(`dev/shm/${name}`));
      const kept = paths(true);
      assert.ok(kept.includes("dev/shm") && !kept.includes(`dev/shm/${name}`));
    } finally {
      Deno.removeSync(marker);
    }
  },
});
