/**
 * The standard streams as a pump uses them, by the best way this machine has.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { asWarpError, WarpError } from "../base/errors.ts";
import { KiB } from "../base/units.ts";
import { openLibcPipes } from "./libc_pipe_io.ts";
import type { PipeInput, PipeOutput } from "./pipe.ts";

/** `WARP_FS=portable` turns libc off, as it does for files. */
export function openPipes(): { input: PipeInput; output: PipeOutput } {
  const libc = Deno.env.get("WARP_FS") === "portable" ? undefined : openLibcPipes();
  return libc ?? { input: new RuntimeInput(), output: new RuntimeOutput() };
}

/**
 * Reads exactly `length` bytes, or up to the end of the input.
 * @throws {WarpError} E_IO
 */
export async function readExactly(
  input: PipeInput,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const count = await input.fill(bytes.subarray(at), null);
    if (count === 0) break;
    at += count;
  }
  return bytes.subarray(0, at);
}

/** What Deno offers everywhere: no way to ask whether bytes are there, so a read is kept open. */
class RuntimeInput implements PipeInput {
  readonly #buffer = new Uint8Array(256 * KiB);
  #reading: Promise<void> | undefined;
  #start = 0;
  #end = 0;
  #isEnded = false;

  async fill(buffer: Bytes, lingerMs: number | null): Promise<number> {
    const endsAt = performance.now() + (lingerMs ?? 0);
    let length = 0;
    while (length < buffer.length) {
      if (this.#start === this.#end && !this.#isEnded) {
        // No more than asked for: the next reader of the descriptor may be another one.
        this.#reading ??= this.#read(buffer.length - length);
        const left = length === 0 ? undefined : endsAt - performance.now();
        if (left !== undefined && left <= 0) break;
        await within(this.#reading, left);
        if (this.#reading !== undefined) break;
      }
      if (this.#start === this.#end) break;
      const piece = this.#buffer.subarray(this.#start, this.#end).subarray(
        0,
        buffer.length - length,
      );
      buffer.set(piece, length);
      length += piece.length;
      this.#start += piece.length;
    }
    return length;
  }

  async #read(most: number): Promise<void> {
    try {
      const count = await Deno.stdin.read(this.#buffer.subarray(0, most));
      this.#start = 0;
      this.#end = count ?? 0;
      this.#isEnded = count === null;
    } catch (cause) {
      throw new WarpError("E_IO", "stdin cannot be read", { cause });
    } finally {
      this.#reading = undefined;
    }
  }
}

/** Settles with `promise`, or after `ms`. */
async function within(promise: Promise<void>, ms: number | undefined): Promise<void> {
  if (ms === undefined) return await promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

class RuntimeOutput implements PipeOutput {
  async write(bytes: Bytes): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) {
        // Deno takes no shared memory here.
        at += await Deno.stdout.write(bytes.slice(at));
      }
    } catch (cause) {
      throw asWarpError(cause);
    }
  }
}
