/**
 * Standard input and output through libc, on Linux: reads that say when nothing more is there, and
 * writes that run beside the thread that asked for them.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { errnoName, systemError } from "../base/fs/errno.ts";
import { KiB, MiB } from "../base/units.ts";
import { whileHeld } from "../base/while_held.ts";
import type { PipeInput, PipeOutput } from "./pipe.ts";

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

const POLL = { name: "poll", parameters: ["pointer", "u64", "i32"], result: "i32" } as const;
const WRITE = { name: "write", parameters: ["i32", "buffer", "usize"], result: "i32" } as const;

/** Results that fit are declared i32 although C says ssize_t: buffers are far below 2 GiB. */
const SYMBOLS = {
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  write: WRITE,
  write_later: { ...WRITE, nonblocking: true },
  poll: POLL,
  poll_later: { ...POLL, nonblocking: true },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  usleep: { parameters: ["u32"], result: "i32" },
  calloc: { parameters: ["usize", "usize"], result: "pointer" },
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const POLLIN = 1;
const POLLOUT = 4;
const F_SETPIPE_SZ = 1031;
const FIONREAD = 0x541bn;
const EINTR = 4;
const EAGAIN = 11;
const EPIPE = 32;

/** What any user may ask for (/proc/sys/fs/pipe-max-size). */
const PIPE_BYTES = MiB;

/**
 * A producer that is at work adds to its pipe within this time; one system call for all of that is
 * cheaper than a frame for each of its writes. Nobody notices a tenth of a millisecond.
 */
const MOMENT_US = 100;
/** So much is worth a frame: it goes on at once. */
const ENOUGH_BYTES = 64 * KiB;

/** 16 MiB at most: some ten milliseconds. */
const WRITES_IN_A_ROW = 64;

class Libc {
  readonly symbols: Symbols;
  readonly #errno: Int32Array;

  constructor(symbols: Symbols) {
    this.symbols = symbols;
    const cell = symbols.__errno_location();
    if (cell === null) throw new Error("no errno");
    this.#errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(cell, 4));
  }

  /** What the last failing call of this thread left. */
  get errno(): number {
    return this.#errno[0]!;
  }
}

/** One descriptor that can be waited for. */
class Descriptor {
  readonly libc: Libc;
  readonly fd: number;
  /** Never freed: a thread may still wait on it when its Worker has ended. */
  readonly #record: Deno.PointerObject;
  readonly #view: DataView;
  readonly isLargePipe: boolean;

  constructor(libc: Libc, fd: number, events: number) {
    this.libc = libc;
    this.fd = fd;
    const record = libc.symbols.calloc(1n, 8n);
    if (record === null) throw new WarpError("E_IO", "out of memory");
    this.#record = record;
    this.#view = new DataView(Deno.UnsafePointerView.getArrayBuffer(record, 8));
    this.#view.setInt32(0, fd, true);
    this.#view.setInt16(4, events, true);
    // Not a pipe, or not allowed: it stays as it is.
    this.isLargePipe = libc.symbols.fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES;
  }

  isReady(): boolean {
    return this.libc.symbols.poll(this.#record, 1n, 0) !== 0;
  }

  /** Whether it got ready within `ms`; -1 waits for ever. */
  async wait(ms: number): Promise<boolean> {
    return await this.libc.symbols.poll_later(this.#record, 1n, ms) !== 0;
  }
}

class LibcInput implements PipeInput {
  readonly #descriptor: Descriptor;

  constructor(libc: Libc, fd: number) {
    this.#descriptor = new Descriptor(libc, fd, POLLIN);
  }

  async fill(buffer: Bytes, lingerMs: number | null): Promise<number> {
    const descriptor = this.#descriptor;
    let length = 0, isMomentOver = false, endsAt = 0;
    while (length < buffer.length) {
      if (!descriptor.isReady()) {
        if (length === 0) {
          await descriptor.wait(-1);
        } else if (lingerMs !== null) {
          const leftMs = Math.ceil(endsAt - performance.now());
          if (leftMs <= 0 || !await descriptor.wait(leftMs)) return length;
        } else {
          if (isMomentOver || length >= ENOUGH_BYTES) return length;
          descriptor.libc.symbols.usleep(MOMENT_US);
          isMomentOver = true;
          continue;
        }
      }
      const count = this.#read(buffer.subarray(length));
      if (count === 0) return length;
      if (length === 0 && lingerMs !== null) endsAt = performance.now() + lingerMs;
      length += Math.max(0, count);
      isMomentOver = false;
    }
    return length;
  }

  /** Negative: nothing after all. */
  #read(buffer: Bytes): number {
    const { libc, fd } = this.#descriptor;
    const count = libc.symbols.read(fd, buffer as Uint8Array<ArrayBuffer>, BigInt(buffer.length));
    if (count >= 0) return count;
    const errno = libc.errno;
    if (errno === EINTR || errno === EAGAIN) return -1;
    throw systemError("read stdin", errnoName(errno));
  }
}

class LibcOutput implements PipeOutput {
  readonly #descriptor: Descriptor;
  readonly #waiting = new Int32Array(1);
  #writes = 0;

  constructor(libc: Libc, fd: number) {
    this.#descriptor = new Descriptor(libc, fd, POLLOUT);
  }

  async write(bytes: Bytes): Promise<void> {
    const { libc, fd } = this.#descriptor;
    for (let at = 0; at < bytes.length;) {
      const rest = bytes.subarray(at) as Uint8Array<ArrayBuffer>;
      let count = this.#hasRoom(rest.length)
        ? libc.symbols.write(fd, rest, BigInt(rest.length))
        : await whileHeld([rest], () => libc.symbols.write_later(fd, rest, BigInt(rest.length)));
      // The errno of another thread cannot be read: ask again in this one.
      if (count < 0) count = libc.symbols.write(fd, rest, BigInt(rest.length));
      if (count < 0) await this.#recover(libc.errno);
      else at += count;
    }
  }

  /**
   * Whether the pipe takes so much without waiting: then a thread would only cost time. Pages of a pipe
   * may be half empty, so a quarter of its bytes can be half of it.
   */
  #hasRoom(length: number): boolean {
    const { libc, fd, isLargePipe } = this.#descriptor;
    if (!isLargePipe || length > PIPE_BYTES / 3) return false;
    // Now and then this thread must look at its messages.
    if (++this.#writes % WRITES_IN_A_ROW === 0) return false;
    return libc.symbols.ioctl(fd, FIONREAD, this.#waiting) === 0 &&
      this.#waiting[0]! <= PIPE_BYTES / 4;
  }

  async #recover(errno: number): Promise<void> {
    if (errno === EINTR) return;
    // Somebody made the shared descriptor non-blocking.
    if (errno === EAGAIN) return void await this.#descriptor.wait(-1);
    if (errno === EPIPE) throw new WarpError("E_PIPE_CLOSED", "the reader of stdout has gone");
    throw systemError("write to stdout", errnoName(errno));
  }
}

/** Undefined where there is no such libc, or no permission to load it. */
export function openLibcPipes(): { input: PipeInput; output: PipeOutput } | undefined {
  if (Deno.build.os !== "linux") return undefined;
  for (const library of LIBRARIES) {
    try {
      const libc = new Libc(Deno.dlopen(library, SYMBOLS).symbols);
      return { input: new LibcInput(libc, 0), output: new LibcOutput(libc, 1) };
    } catch {
      // Not this one: try the next.
    }
  }
  return undefined;
}
