/**
 * Two machines and a file of 20 MiB between them: a transfer to be interrupted, and gone on with.
 *
 * @module
 */
import assert from "node:assert/strict";
import { endRuns, type LogLine } from "./json_run.ts";
import { type Machine, makeMachine } from "./transfer.ts";
import { expectWarp, sh, text, withTempDir } from "./warp.ts";

export const FILE_BYTES = 20 << 20;

export interface Scene {
  dir: string;
  a: Machine;
  b: Machine;
}

export async function withScene(use: (scene: Scene) => Promise<void>): Promise<void> {
  await withTempDir(async (dir) => {
    const [a, b] = await Promise.all([makeMachine(`${dir}/a`), makeMachine(`${dir}/b`)]);
    await sh(`head -c ${FILE_BYTES} /dev/urandom > '${dir}/file'`);
    await use({ dir, a, b }).finally(endRuns);
  });
}

export const moved = (record: LogLine) => Number(record["bytes_moved"]);
export const hasMoved = (record: LogLine) => Number(record["bytes"]) > 1e6;

export async function unfinished(machine: Machine): Promise<string> {
  const { stdout } = await expectWarp(0, ["resume", "--json"], { env: machine.env });
  return JSON.parse(text(stdout)).id;
}

/** Goes on, and checks that what was verified stayed. */
export async function resumed({ dir, a }: Scene, into: string): Promise<void> {
  const args = ["resume", await unfinished(a), "--json"];
  const { stdout } = await expectWarp(0, args, { env: a.env });
  const sent = JSON.parse(text(stdout).trim().split("\n").at(-1)!);
  assert.ok(moved(sent) < FILE_BYTES, "what was verified does not travel again");
  await sh(`cmp '${dir}/file' '${into}/file'`);
}
