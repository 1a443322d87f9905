/**
 * Units. KiB/MiB/GiB are powers of two, kB/MB/GB powers of ten; a bare number is bytes.
 *
 * @module
 */
import { WarpError } from "./errors.ts";

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;

const FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: KiB,
  m: MiB,
  g: GiB,
  t: 1024 * GiB,
  kib: KiB,
  mib: MiB,
  gib: GiB,
  tib: 1024 * GiB,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
};

/** `"64KiB"` → 65536, `"10MB"` → 10000000, `"64K"` → 65536. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const factor = match === null ? undefined : FACTORS[match[2]!.toLowerCase()];
  if (match === null || factor === undefined) {
    throw new WarpError("E_USAGE", `"${text}" is not a size`, {
      hint: "write 64KiB, 10MB or 4096",
    });
  }
  return Math.floor(Number(match[1]) * factor);
}

/** 1536 → `"1.5 KiB"`: three significant digits, binary units. */
export function formatBytes(bytes: number): string {
  const names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes, index = 0;
  while (value >= 1024 && index < names.length - 1) {
    value /= 1024;
    index++;
  }
  return index === 0 ? `${value} B` : `${value.toPrecision(value < 999.5 ? 3 : 4)} ${names[index]}`;
}
