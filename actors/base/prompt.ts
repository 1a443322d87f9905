/**
 * Asks for a secret on the controlling terminal, without echo, also when stdin and stdout are pipes.
 *
 * @module
 */
import { WarpError } from "./errors.ts";

const SECRET_BYTES_MAX = 4096;

const INTERRUPT = 0x03, END = 0x04, BACKSPACE = 0x08, ERASE_LINE = 0x15, DELETE = 0x7f;

const raised = new Set<Deno.FsFile>();

/** Gives the terminal its echo back. For a process that is about to exit in the middle of a prompt. */
export function restoreTerminal(): void {
  for (const terminal of raised) {
    try {
      terminal.setRaw(false);
    } catch {
      // The terminal has gone away with its window.
    }
  }
  raised.clear();
}

function openTerminal(): Deno.FsFile | undefined {
  if (Deno.build.os === "windows") return undefined;
  try {
    return Deno.openSync("/dev/tty", { read: true, write: true });
  } catch {
    // A service, a cron job, a container without a terminal.
    return undefined;
  }
}

/**
 * The typed bytes without their newline; the caller wipes them. Undefined without a terminal.
 * @throws {WarpError} E_CANCELLED on Ctrl-C, on Ctrl-D before anything is typed, and on `signal`
 */
export async function readSecret(
  prompt: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  signal.throwIfAborted();
  using terminal = openTerminal();
  if (terminal === undefined || !terminal.isTerminal()) return undefined;
  const say = (text: string) => void terminal.writeSync(new TextEncoder().encode(text));
  say(prompt);
  terminal.setRaw(true);
  raised.add(terminal);
  // A signal from outside (kill) must not leave the terminal mute.
  signal.addEventListener("abort", restoreTerminal, { once: true });
  try {
    return await readLine(terminal, signal);
  } finally {
    signal.removeEventListener("abort", restoreTerminal);
    restoreTerminal();
    say("\n");
  }
}

async function readLine(terminal: Deno.FsFile, signal: AbortSignal): Promise<Uint8Array> {
  const line = new Uint8Array(SECRET_BYTES_MAX);
  // One byte at a time: what follows a newline belongs to the next question.
  const typed = new Uint8Array(1);
  let length = 0;
  try {
    for (;;) {
      const count = await terminal.read(typed);
      signal.throwIfAborted();
      if (count === null) throw cancelled();
      const byte = typed[0]!;
      if (byte === 0x0d || byte === 0x0a) return line.slice(0, length);
      if (byte === INTERRUPT || (byte === END && length === 0)) throw cancelled();
      if (byte === END) return line.slice(0, length);
      if (byte === ERASE_LINE) length = 0;
      else if (byte === BACKSPACE || byte === DELETE) length = previousCharacter(line, length);
      else if (byte >= 0x20) {
        if (length === line.length) throw new WarpError("E_USAGE", "the passphrase is too long");
        line[length++] = byte;
      }
    }
  } finally {
    line.fill(0);
    typed.fill(0);
  }
}

/** Where the last UTF-8 character of `line[0, length)` starts. */
function previousCharacter(line: Uint8Array, length: number): number {
  let at = Math.max(0, length - 1);
  while (at > 0 && (line[at]! & 0xc0) === 0x80) at--;
  return at;
}

function cancelled(): WarpError {
  return new WarpError("E_CANCELLED", "interrupted");
}
