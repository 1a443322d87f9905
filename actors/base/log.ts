/**
 * Structured log records: an event name and plain fields, as one line of text or of JSON.
 *
 * Secrets and plaintext have no place here; names of files are escaped when shown as text.
 *
 * @module
 */
import type { CommandIo } from "./command.ts";
import { printableText } from "./terminal.ts";

export type LogLevel = "error" | "warn" | "info" | "debug";

export type LogFields = Readonly<Record<string, string | number | boolean | bigint | undefined>>;

/** From which number of `-v` a level is shown. Errors and warnings are always shown. */
const VERBOSITY: Readonly<Record<LogLevel, number>> = { error: -1, warn: -1, info: 1, debug: 2 };

/** Writes one event. `fields` are only read when the level is shown. */
export type Log = (level: LogLevel, event: string, fields?: LogFields) => void;

/** A log that ends on the terminal of a command. */
export function createLog(io: Pick<CommandIo, "options" | "note" | "warn" | "json">): Log {
  return (level, event, fields = {}) => {
    if (io.options.verbosity < VERBOSITY[level]) return;
    if (io.options.isJson) io.json({ message_type: "log", level, event, ...fields });
    else if (level === "warn" || level === "error") io.warn(formatRecord(event, fields));
    else io.note(`${level} ${formatRecord(event, fields)}`, VERBOSITY[level]);
  };
}

/** `chunk_stored bytes=123 path="a b"`: the event, then its fields. */
export function formatRecord(event: string, fields: LogFields): string {
  const parts = [event];
  for (const [name, field] of Object.entries(fields)) {
    if (field === undefined) continue;
    const text = String(field);
    parts.push(`${name}=${/[\s"=]/.test(text) || text === "" ? JSON.stringify(text) : text}`);
  }
  return printableText(parts.join(" "));
}
