/**
 * The archive that a command was given: a file, or stdin spooled to one.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { WarpError } from "../base/errors.ts";
import { FileInput } from "./archive_io.ts";
import type { KeyOptions } from "./options.ts";
import { type Opening, readOpening } from "./reader.ts";

/** Opens the start of the archive at `path`. `-` must have been spooled before. */
export function readOpeningAt(path: string, kernels: KernelSet): Opening {
  const input = FileInput.open(path);
  try {
    return readOpening(input, kernels);
  } finally {
    input.close();
  }
}

/** Whether any key was offered on the command line or in the environment. */
export function isKeyOffered(keys: KeyOptions): boolean {
  return keys.passphraseFile !== undefined || keys.passphraseFd !== undefined ||
    keys.identityFiles.length > 0 || Deno.env.get("WARP_PASSPHRASE") !== undefined;
}

/** A path for an archive that comes from stdin: the spooled file, readable by every Worker. */
export function spoolStdin(): { path: string; close: () => void } {
  const path = Deno.makeTempFileSync({ prefix: "warp-stdin-" });
  const file = Deno.openSync(path, { write: true });
  const close = () => {
    try {
      Deno.removeSync(path);
    } catch {
      // Somebody tidied up before us.
    }
  };
  try {
    const buffer = new Uint8Array(1 << 20);
    for (let n = Deno.stdin.readSync(buffer); n !== null; n = Deno.stdin.readSync(buffer)) {
      for (let at = 0; at < n;) at += file.writeSync(buffer.subarray(at, n));
    }
    return { path, close };
  } catch (cause) {
    close();
    throw new WarpError("E_IO", "the archive on stdin could not be taken in", { cause });
  } finally {
    file.close();
  }
}
