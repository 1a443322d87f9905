/**
 * The built pages, for the server: read once, built before where they are not there.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import { MANIFEST, type Manifest } from "./manifest.ts";

/** Where `deno task build:page` writes to, and packages have them. */
const PAGE_DIR = new URL("../../dist/page/", import.meta.url);

export interface Pages {
  manifest: Manifest;
  /** A file of the manifest, or a compressed form of it. Kept in memory: all of them are some 300 KiB. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
}

let opened: Promise<Pages> | undefined;

/**
 * Called by the first request, or before by whoever starts a hub and wants to know.
 *
 * @param directory of the first call in a process; it ends in a slash
 * @throws {WarpError} E_CONFIG where there are none and they cannot be built
 */
export function openPages(directory: URL = PAGE_DIR): Promise<Pages> {
  opened ??= open(directory).catch((error) => {
    opened = undefined;
    throw error;
  });
  return opened;
}

async function open(directory: URL): Promise<Pages> {
  let manifest = await readManifest(directory);
  if (manifest === undefined) {
    const { buildPage } = await import("./build_io.ts");
    await buildPage(directory);
    manifest = await readManifest(directory);
  }
  if (manifest === undefined) throw new WarpError("E_CONFIG", "the pages cannot be read");
  const files = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  return {
    manifest,
    read: (name) => {
      let file = files.get(name);
      if (file === undefined) files.set(name, file = Deno.readFile(new URL(name, directory)));
      return file;
    },
  };
}

async function readManifest(directory: URL): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(new URL(MANIFEST, directory))) as Manifest;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
