/**
 * Durations and sizes as they are typed: `90s`, `15m`, `24h`, `7d`, `2w`; `5GB`.
 *
 * A day is 24 hours here.
 *
 * @module
 */
import { parseBytes } from "../../base/units.ts";

const SECONDS: Readonly<Record<string, number>> = {
  w: 604_800,
  d: 86_400,
  h: 3_600,
  m: 60,
  s: 1,
};

/** Seconds; undefined for what is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,12})([smhdw])$/.exec(text);
  return match === null ? undefined : Number(match[1]) * SECONDS[match[2]!]!;
}

/** In the largest unit that gives a whole number: 604800 → `1w`, 90 → `90s`. */
export function formatDuration(seconds: number): string {
  const [unit, size] = Object.entries(SECONDS).find(([, size]) => seconds % size === 0)!;
  return `${seconds / size}${unit}`;
}

const SIZES: readonly (readonly [string, number])[] = [
  ["TB", 1e12],
  ["TiB", 2 ** 40],
  ["GB", 1e9],
  ["GiB", 2 ** 30],
  ["MB", 1e6],
  ["MiB", 2 ** 20],
  ["kB", 1e3],
  ["KiB", 2 ** 10],
];

/** Bytes; undefined for what is no size. */
export function parseSize(text: string): number | undefined {
  try {
    return parseBytes(text);
  } catch {
    return undefined;
  }
}

/** Exact, unlike `formatBytes`: 5000000000 → `5GB`, 1025 → `1025B`. */
export function formatSize(bytes: number): string {
  const found = SIZES.find(([, size]) => bytes > 0 && bytes % size === 0);
  return found === undefined ? `${bytes}B` : `${bytes / found[1]}${found[0]}`;
}
