/**
 * Which carrier `--carrier auto` takes, and why. TLS over TCP moves several times what QUIC does on a good
 * network (bench/RESULTS.md), QUIC gets through and holds up on some where TCP does not. So it is
 * measured, where so much is to be moved that this pays, and remembered.
 *
 * @module
 */
import { formatBytes, MiB } from "../base/units.ts";
import type { CarrierName } from "./lane.ts";

export type CarrierPolicy = "auto" | CarrierName;

/** From here on it pays to measure both carriers first: bytes of content. */
export const MEASURE_FROM_BYTES = 64 * MiB;
/** Networks change: a figure is good for a week. */
const FRESH_MS = 7 * 24 * 3600 * 1000;
/** QUIC must be so much faster: its figures vary more, and it costs more of the processor. */
const QUIC_GAIN_MIN = 1.1;

/** What one carrier did with one peer. */
export interface Figure {
  bytesPerSecond: number;
  /** When, in ms since the epoch. */
  atMs: number;
}

export type Figures = Partial<Record<CarrierName, Figure>>;

export type CarrierPlan =
  /** This one, and the other only where `isOpen` and this one does not get through. */
  | { way: "prefer"; carrier: CarrierName; isOpen: boolean; reason: string }
  | { way: "measure" };

export const NAMES: Readonly<Record<CarrierName, string>> = { tcp: "TCP", quic: "QUIC" };

export function otherCarrier(carrier: CarrierName): CarrierName {
  return carrier === "tcp" ? "quic" : "tcp";
}

/** @param isLarge so much is to be moved that measuring pays */
export function planCarrier(
  policy: CarrierPolicy,
  figures: Figures,
  isLarge: boolean,
  nowMs: number,
): CarrierPlan {
  if (policy !== "auto") {
    return { way: "prefer", carrier: policy, isOpen: false, reason: "as asked for" };
  }
  const { tcp, quic } = figures;
  if (isFresh(tcp, nowMs) && isFresh(quic, nowMs)) {
    const { carrier, reason } = fasterOf(tcp.bytesPerSecond, quic.bytesPerSecond);
    return { way: "prefer", carrier, isOpen: true, reason: `${reason} last time` };
  }
  if (isLarge) return { way: "measure" };
  return { way: "prefer", carrier: "tcp", isOpen: true, reason: "TCP gets through" };
}

/** Of two figures in bytes a second, the better, as a reason. */
export function fasterOf(tcp: number, quic: number): { carrier: CarrierName; reason: string } {
  const rate = (value: number) => `${formatBytes(Math.round(value))}/s`;
  const reason = `TCP did ${rate(tcp)} and QUIC ${rate(quic)}`;
  return { carrier: quic > tcp * QUIC_GAIN_MIN ? "quic" : "tcp", reason };
}

/** Figures with one more: within its time the best counts, since whatever slows one down is no limit. */
export function withFigure(
  figures: Figures,
  carrier: CarrierName,
  bytesPerSecond: number,
  nowMs: number,
): Figures {
  const before = figures[carrier];
  if (isFresh(before, nowMs) && before.bytesPerSecond >= bytesPerSecond) return figures;
  return { ...figures, [carrier]: { bytesPerSecond, atMs: nowMs } };
}

function isFresh(figure: Figure | undefined, nowMs: number): figure is Figure {
  return figure !== undefined && Math.abs(nowMs - figure.atMs) < FRESH_MS;
}
