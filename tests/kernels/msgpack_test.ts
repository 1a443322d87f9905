/**
 * The MessagePack package that archives and protocols are written with, against the shared suite.
 *
 * @module
 */
import { decode, encode } from "@std/msgpack";
import assert from "node:assert/strict";
import { fromHex } from "../../actors/base/bytes.ts";
import { vectorJson } from "./samples.ts";

interface MsgpackCase {
  msgpack: string[];
  nil?: null;
  bool?: boolean;
  binary?: string;
  number?: number;
  bignum?: string;
  string?: string;
  array?: unknown[];
  map?: Record<string, unknown>;
  ext?: [number, string];
  timestamp?: [number, number];
}

const suite = vectorJson<Record<string, MsgpackCase[]>>("msgpack/msgpack-test-suite.json");
const bytesOf = (dashed: string) => fromHex(dashed.replaceAll("-", ""));

function expected(one: MsgpackCase): unknown {
  if (one.binary !== undefined) return bytesOf(one.binary);
  if (one.bignum !== undefined) return BigInt(one.bignum);
  for (const key of ["nil", "bool", "number", "string", "array", "map"] as const) {
    if (key in one) return one[key];
  }
  return undefined;
}

Deno.test("@std/msgpack decodes every encoding of the shared suite", () => {
  let count = 0;
  for (const cases of Object.values(suite)) {
    for (const one of cases) {
      for (const dashed of one.msgpack) {
        count++;
        const value = decode(bytesOf(dashed), { useBigInt64: one.bignum !== undefined });
        if (one.ext !== undefined) {
          const ext = value as { type: number; data: Uint8Array };
          assert.deepEqual([ext.type, ext.data], [one.ext[0], bytesOf(one.ext[1])], dashed);
        } else if (one.timestamp !== undefined) {
          // The package gives a Date, which has milliseconds only; Warp does not use this type.
          const [seconds, nanoseconds] = one.timestamp;
          const error = (value as Date).getTime() - (seconds * 1000 + nanoseconds / 1e6);
          assert.ok(Math.abs(error) <= 1, dashed);
        } else if (one.bignum !== undefined) {
          assert.equal(BigInt(value as bigint), expected(one), dashed);
        } else if (one.number !== undefined) {
          assert.equal(Number(value), one.number, dashed);
        } else {
          assert.deepEqual(value, expected(one), dashed);
        }
      }
    }
  }
  assert.equal(count, 233);
});

Deno.test("@std/msgpack encodes to one of the suite's encodings", () => {
  let count = 0;
  for (const cases of Object.values(suite)) {
    for (const one of cases) {
      if (one.ext !== undefined || one.timestamp !== undefined) continue;
      count++;
      const made = encode(expected(one), { useBigInt64: one.bignum !== undefined });
      assert.ok(
        one.msgpack.some((dashed) => {
          const encoding = bytesOf(dashed);
          return encoding.length === made.length && encoding.every((byte, i) => byte === made[i]);
        }),
        JSON.stringify(one),
      );
    }
  }
  assert.equal(count, 59);
});
