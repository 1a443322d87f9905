/**
 * Builds the pages for the browser: dist/page, with a hash in every name, compressed beside each file.
 *
 * The bundle is made of this repository's sources and the packages of deno.json alone. A few modules that
 * need Deno or Node have a stand-in for the browser; anything else that would need them fails the build.
 *
 * @module
 */
import type { Plugin } from "esbuild";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import config from "../../deno.json" with { type: "json" };
import { isWarpError, WarpError } from "../../actors/base/errors.ts";
import { MANIFEST, type Manifest } from "./manifest.ts";

const ROOT = new URL("../../", import.meta.url);
const HERE = new URL("./", import.meta.url);

/** Where the hub looks for the pages (pages_io.ts). */
const PAGE_DIR: URL = new URL("dist/page/", ROOT);

/** Modules with another implementation in browsers; both export the same. */
const STAND_INS: Readonly<Record<string, string>> = {
  "actors/cipher/signature.ts": "hub/page/browser/signature.ts",
  "actors/cipher/argon2.ts": "hub/page/browser/argon2.ts",
};
/** Packages with a smaller form that is enough for the client's side. */
const PACKAGES: Readonly<Record<string, string>> = {
  "@hono/zod-openapi": "hub/page/browser/zod.ts",
};
const ENTRIES = ["link_page", "dashboard_page", "argon2_worker", "download_worker"] as const;
const PAGES = { link: "link_page", dashboard: "dashboard_page" } as const;

/**
 * Writes the pages to `directory` (whose address ends in a slash), in place of what was there.
 *
 * @throws {WarpError} E_CONFIG when esbuild cannot run here or the sources are not there
 */
export async function buildPage(directory: URL = PAGE_DIR): Promise<void> {
  const files = await bundle();
  files.set("style.css", await Deno.readFile(new URL("style.css", HERE)));
  // Nobody sees half a build: it is made beside, and moved.
  const made = new URL(`../page-${crypto.randomUUID()}/`, directory);
  await Deno.mkdir(made, { recursive: true });
  try {
    await write(made, files);
    await Deno.remove(directory, { recursive: true }).catch(() => {});
    await Deno.rename(made, directory);
  } catch (error) {
    await Deno.remove(made, { recursive: true }).catch(() => {});
    // Another process was faster; the same sources give the same pages.
    if (!(await hasPages(directory))) throw error;
  }
}

async function hasPages(directory: URL): Promise<boolean> {
  try {
    return (await Deno.stat(new URL(MANIFEST, directory))).isFile;
  } catch {
    return false;
  }
}

async function write(directory: URL, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const names = new Map<string, string>();
  const assets: Manifest["assets"] = {};
  for (const [plain, bytes] of files) {
    const name = hashed(plain, bytes);
    names.set(plain, name);
    await Deno.writeFile(new URL(name, directory), bytes);
    assets[name] = [];
    for (const [encoding, ending, pack] of ENCODINGS) {
      const packed = pack(bytes);
      if (packed.length > bytes.length * 0.9) continue;
      await Deno.writeFile(new URL(name + ending, directory), packed);
      assets[name].push(encoding);
    }
  }
  const asset = (plain: string) => `/assets/${names.get(plain)!}`;
  const pages: Manifest["pages"] = {};
  for (const [page, entry] of Object.entries(PAGES)) {
    const template = await Deno.readTextFile(new URL(`${entry}.html`, HERE));
    pages[page] = template
      .replaceAll("@STYLE@", asset("style.css"))
      .replaceAll("@SCRIPT@", asset(`${entry}.js`))
      .replaceAll("@ARGON2@", asset("argon2_worker.js"))
      .replaceAll("@DOWNLOAD@", asset("download_worker.js"));
  }
  const manifest: Manifest = { assets, pages };
  await Deno.writeTextFile(new URL(MANIFEST, directory), JSON.stringify(manifest));
}

const ENCODINGS = [
  [
    "br",
    ".br",
    (bytes: Uint8Array) =>
      brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
  ],
  ["gzip", ".gz", (bytes: Uint8Array) => gzipSync(bytes, { level: 9 })],
] as const;

function hashed(plain: string, bytes: Uint8Array): string {
  const digest = createHash("sha256").update(bytes).digest("base64url").slice(0, 12);
  return plain.replace(/(\.\w+)$/, `-${digest}$1`);
}

/** The scripts, by name. */
async function bundle(): Promise<Map<string, Uint8Array>> {
  try {
    // Not by its name: `deno compile` would carry it along.
    const name = "esbuild";
    const esbuild = await import(name) as typeof import("esbuild");
    try {
      const result = await esbuild.build({
        entryPoints: ENTRIES.map((name) => path(`hub/page/${name}.ts`)),
        outdir: path("dist/page"),
        bundle: true,
        write: false,
        minify: true,
        format: "esm",
        platform: "browser",
        target: ["chrome111", "firefox114", "safari16.4"],
        legalComments: "none",
        charset: "utf8",
        inject: [path("hub/page/browser/globals.ts")],
        plugins: [resolver],
        logLevel: "silent",
        tsconfigRaw: { compilerOptions: { useDefineForClassFields: true, target: "ES2022" } },
      });
      return new Map(result.outputFiles.map(({ path, contents }) => [
        path.slice(path.lastIndexOf("/") + 1),
        contents,
      ]));
    } finally {
      await esbuild.stop();
    }
  } catch (cause) {
    if (isWarpError(cause)) throw cause;
    throw new WarpError("E_CONFIG", "the pages cannot be built here", {
      hint: "`deno task build:page` makes them where the sources are; a package carries them",
      cause,
    });
  }
}

function isOurs(importer: string): boolean {
  return importer.startsWith(path(".")) && !importer.includes("/node_modules/");
}

function path(relative: string): string {
  return fileURLToPath(new URL(relative, ROOT));
}

/** Names of deno.json, stand-ins, and nothing else from outside. */
const resolver: Plugin = {
  name: "portal",
  setup(build) {
    const imports: Record<string, string> = config.imports;
    build.onResolve({ filter: /^(node:|npm:|jsr:|https?:)/ }, ({ path: name, importer }) => ({
      errors: [{ text: `${importer} needs ${name}, which no browser has` }],
    }));
    build.onResolve({ filter: /^[@\w]/ }, ({ path: name, kind, importer }) => {
      if (kind === "entry-point") return undefined;
      if (PACKAGES[name] !== undefined) return { path: path(PACKAGES[name]) };
      // Packages lie where Deno keeps them, which esbuild does not know.
      if (!isOurs(importer)) return { path: createRequire(importer).resolve(name) };
      const alias = Object.keys(imports).find((key) => name === key || name.startsWith(`${key}/`));
      if (alias !== undefined) return { path: fileURLToPath(import.meta.resolve(name)) };
      return { errors: [{ text: `${name} is not a package of deno.json` }] };
    });
    build.onResolve({ filter: /^\.\.?\// }, ({ path: name, resolveDir }) => {
      const full = fileURLToPath(new URL(name, `file://${resolveDir}/`));
      const standIn = STAND_INS[full.slice(path(".").length)];
      return standIn === undefined ? undefined : { path: path(standIn) };
    });
  },
};

if (import.meta.main) await buildPage();
