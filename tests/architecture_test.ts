import assert from "node:assert/strict";
import { ROOT } from "./support/warp.ts";

// The import direction of docs/architecture.md. A file may import its own layer's files and lower
// ones; shells (actor, worker, commands, cli) are imported by nobody but those named here.

const LAYERS = ["base", "kernels", "runtime", "cipher", "chunker", "archive"];

/** Shells of the command line stand above everything in actors/. */
const COMMAND_LINE = /\/(commands|cli|print|keys_io|options)\.ts$|^cli\.ts$/;

/** These know no actor: they are told what they need. */
const PURE = [
  "actors/base/path_order.ts",
  "actors/base/merkle_hash.ts",
  "actors/base/bytes.ts",
  "actors/runtime/credit.ts",
  "actors/runtime/heartbeat.ts",
  "actors/runtime/mailbox.ts",
  "actors/runtime/restart.ts",
  "actors/cipher/record.ts",
  "actors/cipher/blocks.ts",
  "actors/chunker/batcher.ts",
  ...["header", "trailer", "table_page", "index_page", "search_tree", "summary", "merkle", "plan"],
  ...["scanner", "resume", "salvage", "writer", "reader", "lru_map", "async_queue"],
].map((name) => name.includes("/") ? name : `actors/archive/${name}.ts`);

const IMPURE =
  /\bDeno\.|\bDate\.now|\bperformance\.|Math\.random|getRandomValues|\bsetTimeout|\bfetch\(|\bconsole\.|new Worker\b/;

function* sources(dir: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}${dir}`)) {
    if (isDirectory) yield* sources(`${dir}/${name}`);
    else if (name.endsWith(".ts")) yield `${dir}/${name}`;
  }
}

/** Static and literal dynamic imports, as paths from the root; types only are marked. */
function importsOf(file: string): { target: string; isType: boolean }[] {
  const text = Deno.readTextFileSync(`${ROOT}${file}`);
  const pattern =
    /(import|export)(\s+type)?\b[^;'"]*?from\s+["'](\.[^"']+)["']|import\(\s*["'](\.[^"']+)["']\s*\)/g;
  return [...text.matchAll(pattern)].map((match) => {
    const target = new URL(match[3] ?? match[4]!, new URL(file, "file:///")).pathname.slice(1);
    return { target, isType: match[2] !== undefined };
  });
}

function layerOf(file: string): number {
  if (file.startsWith("kernels/")) return LAYERS.indexOf("kernels");
  return LAYERS.indexOf(file.split("/")[1]!);
}

const files = [...sources("actors"), ...sources("kernels")];

Deno.test("imports point one way: base, kernels, runtime, cipher, chunker, archive, root, cli", () => {
  const wrong: string[] = [];
  for (const file of files) {
    if (COMMAND_LINE.test(file) || file === "actors/root.ts") continue;
    for (const { target, isType } of importsOf(file)) {
      if (target === "deno.json") continue;
      const isHigher = layerOf(target) > layerOf(file) || layerOf(target) < 0;
      // The interface of the kernels names byte strings; base names kernels in types only.
      if (isHigher && !isType) wrong.push(`${file} → ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("actors, Workers and commands are imported by their own kind only", () => {
  const wrong: string[] = [];
  for (const file of files) {
    for (const { target, isType } of importsOf(file)) {
      if (isType) continue;
      const mayStart = file === "actors/root.ts" || file.endsWith("/worker.ts");
      if (target.endsWith("/actor.ts") && !mayStart) wrong.push(`${file} → ${target}`);
      if (/\/(commands|cli)\.ts$/.test(target) && !COMMAND_LINE.test(file)) {
        wrong.push(`${file} → ${target}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("no file imports itself in a circle", () => {
  const graph = new Map(files.map((file) => [
    file,
    importsOf(file).filter(({ isType }) => !isType).map(({ target }) => target),
  ]));
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    assert.ok(!path.includes(file), [...path, file].join(" → "));
    if (done.has(file)) return;
    for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

Deno.test("pure files know no clock, no disk, no network and no chance", () => {
  const wrong = PURE.filter((file) => {
    const code = Deno.readTextFileSync(`${ROOT}${file}`).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    return IMPURE.test(code);
  });
  assert.deepEqual(wrong, []);
});

Deno.test("every source file says in its first lines what it is", () => {
  const silent = [...files, "cli.ts", "mod.ts"].filter((file) =>
    !Deno.readTextFileSync(`${ROOT}${file}`).slice(0, 2000).includes("@module")
  );
  assert.deepEqual(silent, []);
});
