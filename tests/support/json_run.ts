/**
 * A warp in the background whose `--json` records are read as they come.
 *
 * @module
 */
import { warpCommand } from "./warp.ts";

export type LogLine = Record<string, unknown>;

/** A run that takes longer hangs. */
const HANG_MS = 60_000;

const all = new Set<JsonRun>();

/** Ends what a failed test left running: it would keep the test from ending. */
export function endRuns(): void {
  for (const run of all) run.kill("SIGKILL");
  all.clear();
}

export class JsonRun {
  readonly child: Deno.ChildProcess;
  readonly records: LogLine[] = [];
  readonly stderr: Promise<string>;
  readonly #output: Promise<void>;
  #onRecord = () => {};

  constructor(args: string[], env: Record<string, string>) {
    this.child = warpCommand([...args, "--json"], { env }).spawn();
    this.stderr = new Response(this.child.stderr).text();
    this.#output = this.#read();
    all.add(this);
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const part of this.child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + part).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.records.push(JSON.parse(line));
      this.#onRecord();
    }
  }

  /** The first record of this type that `fits`, now or later. */
  async record(type: string, fits: (record: LogLine) => boolean = () => true): Promise<LogLine> {
    const find = () =>
      this.records.find((record) => record["message_type"] === type && fits(record));
    const timer = setTimeout(() => this.kill("SIGKILL"), HANG_MS);
    try {
      return await this.#find(type, find);
    } finally {
      clearTimeout(timer);
    }
  }

  async #find(type: string, find: () => LogLine | undefined): Promise<LogLine> {
    const ended = this.child.status.then(() => this.#output).then(() => true);
    for (;;) {
      const next = new Promise<boolean>((resolve) => this.#onRecord = () => resolve(false));
      const found = find();
      if (found !== undefined) return found;
      if (!await Promise.race([next, ended])) continue;
      const late = find();
      if (late !== undefined) return late;
      const records = this.records.map((record) => JSON.stringify(record)).slice(-20).join("\n");
      throw new Error(`no "${type}" in\n${records}\n${await this.stderr}`);
    }
  }

  kill(signal: Deno.Signal): void {
    try {
      this.child.kill(signal);
    } catch {
      // It has ended.
    }
  }

  /** The exit code, and the record of the error on standard error if there is one. */
  async ended(): Promise<{ code: number; error: LogLine }> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.kill("SIGKILL");
    }, HANG_MS);
    const { code } = await this.child.status;
    clearTimeout(timer);
    await this.#output;
    const stderr = await this.stderr;
    if (isLate) throw new Error(`hangs: ${JSON.stringify(this.records.slice(-3))}\n${stderr}`);
    const line = stderr.split("\n").find((text) => text.includes('"exit_error"'));
    return { code, error: line === undefined ? {} : JSON.parse(line) };
  }
}
