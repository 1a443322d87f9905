/**
 * What carriers did with peers, kept between runs: one small file a peer, under the state folder.
 *
 * @module
 */
import { join } from "node:path";
import { type Bytes, toHex } from "../base/bytes.ts";
import { type Figures, withFigure } from "./carrier_choice.ts";
import type { CarrierName } from "./lane.ts";
import { stateFolder } from "./state_io.ts";

const CARRIERS = ["tcp", "quic"] as const;

/** What is known of this peer; nothing is a figure too. */
export function readFigures(peerKey: Bytes): Figures {
  const path = pathOf(peerKey);
  if (path === undefined) return {};
  const figures: Figures = {};
  try {
    const kept = JSON.parse(Deno.readTextFileSync(path)) as Record<string, unknown>;
    for (const carrier of CARRIERS) {
      const { bytesPerSecond, atMs } = (kept[carrier] ?? {}) as Record<string, unknown>;
      if (isSound(bytesPerSecond) && isSound(atMs)) figures[carrier] = { bytesPerSecond, atMs };
    }
  } catch {
    // Never kept, or half-written: it is only a hint.
  }
  return figures;
}

/** @param bytesPerSecond what `carrier` did just now */
export function keepFigure(peerKey: Bytes, carrier: CarrierName, bytesPerSecond: number): void {
  const path = pathOf(peerKey);
  if (path === undefined || !isSound(bytesPerSecond)) return;
  const figures = withFigure(readFigures(peerKey), carrier, bytesPerSecond, Date.now());
  try {
    Deno.writeTextFileSync(path, JSON.stringify(figures), { mode: 0o600 });
  } catch {
    // It is measured again.
  }
}

function pathOf(peerKey: Bytes): string | undefined {
  const folder = stateFolder("carriers");
  return folder === undefined ? undefined : join(folder, `${toHex(peerKey)}.json`);
}

function isSound(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value > 0;
}
