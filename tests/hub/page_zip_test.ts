/**
 * @module Tests of hub/page/zip.ts and file_tree.ts: what other programs make of the ZIP, and names that must
 * not lead anywhere.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import { DistinctNames, saveName, savePath } from "../../hub/page/file_tree.ts";
import { zip, type ZipEntry, zipLength } from "../../hub/page/zip.ts";
import { Random } from "../support/random.ts";

type Filled = ZipEntry & { content: Uint8Array };

async function zipped(entries: Filled[]): Promise<Uint8Array> {
  const file = new Uint8Array(zipLength(entries));
  let at = 0;
  const contentOf = async function* ({ content }: Filled) {
    for (let at = 0; at < content.length; at += 1000) {
      await Promise.resolve();
      yield content.subarray(at, at + 1000);
    }
  };
  for await (const part of zip(entries, contentOf)) {
    file.set(part, at);
    at += part.length;
  }
  assert.equal(at, file.length, "the length was known before");
  return file;
}

function entry(name: string, content: Uint8Array, mode = 0o644): Filled {
  return { name, size: content.length, mtimeMs: Date.UTC(2026, 10, 21, 10), mode, content };
}

/** The last nine, and how many there are, as Python's zipfile reads them; it compares checksums. */
async function readByPython(
  file: Uint8Array,
): Promise<{ last: [name: string, hex: string][]; count: number }> {
  const path = Deno.makeTempFileSync({ suffix: ".zip" });
  try {
    Deno.writeFileSync(path, file);
    const script = "import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\n" +
      "print(json.dumps([[n,z.read(n).hex()] for n in z.namelist()[-9:]]+[len(z.namelist())]))";
    const { code, stdout, stderr } = await new Deno.Command("python3", {
      args: ["-c", script, path],
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const last = JSON.parse(new TextDecoder().decode(stdout));
    return { count: last.pop(), last };
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("another program reads every file, and the length was known before", async () => {
  const random = new Random(5);
  const entries = [
    entry("empty/", new Uint8Array(), 0o755),
    entry("a.txt", utf8("hello")),
    entry("deep/er/ä 日本 🎈.bin", random.bytes(70_001), 0o755),
    entry("none", new Uint8Array()),
  ];
  const file = await zipped(entries);
  assert.deepEqual(
    (await readByPython(file)).last,
    entries.map(({ name, content }) => [name, new Uint8Array(content).toHex()]),
  );
});

Deno.test("more than 65,535 files", async () => {
  const entries = Array.from({ length: 66_000 }, (_, i) => entry(`f${i}`, new Uint8Array()));
  const file = await zipped(entries);
  const read = await readByPython(file);
  assert.equal(read.count, 66_000);
  assert.deepEqual(read.last.at(-1), ["f65999", ""]);
});

Deno.test("a file of 4 GiB and what stands behind it have zip64 fields", () => {
  const small = entry("x", new Uint8Array());
  const large = { ...small, size: 0xffff_ffff };
  const base = zipLength([small, small]);
  // 20 in the local header, 8 in the descriptor, 20 in the directory; its neighbour's offset 12; 76 at the end.
  assert.equal(zipLength([large, small]) - large.size, base + 20 + 8 + 20 + 12 + 76);
});

Deno.test("content of another length than was said is an error", async () => {
  const short = { ...entry("x", utf8("abc")), size: 4 };
  await assert.rejects(zipped([short]), (error) => isWarpError(error, "E_INTEGRITY"));
});

Deno.test("names become names that mean nothing else anywhere", () => {
  const cases: [string, string][] = [
    ["plain.txt", "plain.txt"],
    ["..\\..\\up", ".._.._up"],
    ["a:b", "a_b"],
    ["CON", "_CON"],
    ["nul.txt", "_nul.txt"],
    ["dot.", "dot_"],
    ["space ", "space_"],
    ["tab\tnew\nline", "tab_new_line"],
    ["evil\u202Egpj.exe", "evil_gpj.exe"],
    ["..", "._"],
  ];
  for (const [given, expected] of cases) assert.equal(saveName(utf8(given)), expected);
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
    const name = saveName(bytes);
    assert.ok(name !== "" && name !== "." && name !== "..");
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(name, /[\u0000-\u001f/\\:*?"<>|]/);
  }));
});

Deno.test("a path keeps its folders, below the folder that is saved", () => {
  assert.deepEqual(savePath(utf8("top/a/b:c"), utf8("top")), ["a", "b_c"]);
  assert.deepEqual(savePath(utf8("top/a"), new Uint8Array()), ["top", "a"]);
});

Deno.test("names that became the same are told apart", () => {
  const names = new DistinctNames();
  const taken = ["a_b.txt", "A_B.txt", "a_b.txt", "x/.rc", "x/.rc"].map((one) => names.take(one));
  assert.deepEqual(taken, ["a_b.txt", "A_B (2).txt", "a_b (3).txt", "x/.rc", "x/.rc (2)"]);
});
