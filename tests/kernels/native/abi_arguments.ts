/**
 * `deno run -A abi_arguments.ts LIBRARY`: calls with arguments outside what is documented, one line each.
 *
 * A program of its own: where the library crashes, the last line names the call before.
 *
 * @module
 */
import { defaultTable } from "../../../kernels/boundary/spec.ts";
import { noise } from "../samples.ts";
import {
  boundaryStruct,
  Context,
  EINVAL,
  ENODEV,
  type FusedParams,
  fusedStruct,
  LZ4,
  OK,
  openAbi,
  STORED,
  u64s,
  ZSTD,
} from "./abi.ts";

const abi = openAbi(Deno.args[0]!);
const context = new Context(abi), { handle } = context;

function expect(name: string, status: number, want = EINVAL): void {
  console.log(`${status === want ? "right" : "WRONG"} ${name}: ${status}`);
}

/** More items than any array has: to be refused before offsets are read. */
const TOO_MANY = 1n << 40n;
const HUGE = 0xffffffffffffffffn;
const word = new Uint32Array(1), long = new BigUint64Array(1), job = new BigUint64Array(1);
const input = noise(4096), out = new Uint8Array(8192), key = noise(32), nonce = noise(12);
const one = u64s([0, 64]), down = u64s([0, 64, 32]), statuses = new Uint8Array(8);
const places = u64s([0, 4000, 8000]), lengths = new Uint32Array(8);

const params = { avgBits: 10, min: 256, max: 4096, table: defaultTable() };
const fused: FusedParams = {
  isLast: true,
  codec: STORED,
  mode: 0,
  idKey: key,
  sealKey: key,
  nonce,
  capacity: 8,
  boundary: params,
};

type Struct = Uint8Array<ArrayBuffer>;

/** A copy with the 32-bit word at `at` changed. */
function changed(struct: Struct, at: number, value: number): Struct {
  const copy = struct.slice();
  new DataView(copy.buffer).setUint32(at, value, true);
  return copy;
}

/** Every case as a call that waits, with and without context, and as a job. */
function each(
  name: string,
  call: (handle: bigint, job: BigUint64Array<ArrayBuffer> | null) => number,
) {
  expect(`${name}, no context`, call(0n, null));
  expect(name, call(handle, null));
  expect(`${name}, job`, call(handle, job));
}

console.log("contexts");
expect("open without result", abi.warp_context_open(0, 1, 1, null));
expect("open with no slots", abi.warp_context_open(0, 1, 0, long));
expect("open with 65 slots", abi.warp_context_open(0, 1, 65, long));
expect("open device 1", abi.warp_context_open(1, 1, 1, long), ENODEV);
for (const bad of [0n, HUGE, 63n, handle ^ 1n, handle + (1n << 32n), handle & 0xffffffffn]) {
  expect(`close ${bad}`, abi.warp_context_close(bad));
  expect(`poll ${bad}`, abi.warp_poll(bad, long, lengths, 1, word));
  expect(`wait ${bad}`, await abi.warp_wait(bad, 1));
  expect(`cancel in ${bad}`, abi.warp_cancel(bad, 1n));
  expect(`alloc in ${bad}`, abi.warp_buffer_alloc(bad, 1n, long));
  expect(`free in ${bad}`, abi.warp_buffer_free(bad, Deno.UnsafePointer.of(input)));
  expect(`error of ${bad}`, abi.warp_last_error(bad, out, 8));
  if (bad !== 0n) {
    expect(`hash in ${bad}`, abi.warp_blake3(bad, 0, null, input, one, 1n, out, null));
  }
  expect(`job in ${bad}`, abi.warp_blake3(bad, 0, null, input, one, 1n, out, job));
}
expect("poll without arrays", abi.warp_poll(handle, null, null, 1, word));
expect("poll without count", abi.warp_poll(handle, long, lengths, 1, null));
expect("poll of nothing", abi.warp_poll(handle, null, null, 0, word), OK);
expect("cancel of no job", abi.warp_cancel(handle, HUGE));
expect("error without text", abi.warp_last_error(handle, null, 8));
expect("error without room", abi.warp_last_error(handle, out, 0));
expect("alloc without result", abi.warp_buffer_alloc(handle, 1n, null));
expect("probe without info", abi.warp_probe(0, null));
expect("probe with a small struct", abi.warp_probe(0, changed(new Uint8Array(168), 0, 39)));
for (const isa of [-1, 4, 2 ** 31 - 1, -(2 ** 31)]) expect(`isa ${isa}`, abi.warp_isa_limit(isa));
expect("isa 3", Math.min(abi.warp_isa_limit(3), 0), 0);

console.log("read");
each("read of fd -1", (c, j) => abi.warp_read(c, -1, 0n, out, 1n, long, j));
each("read without memory", (c, j) => abi.warp_read(c, 0, 0n, null, 1n, long, j));
each("read without count", (c, j) => abi.warp_read(c, 0, 0n, out, 1n, null, j));
each("read at 2^64 - 1", (c, j) => abi.warp_read(c, 0, HUGE, out, 1n, long, j));
each("read of 2^64 - 1", (c, j) => abi.warp_read(c, 0, 1n, out, HUGE, long, j));

console.log("boundary");
const struct = boundaryStruct(params);
function cut(
  name: string,
  of: Struct | null,
  more: {
    input?: Struct | null;
    length?: bigint;
    cuts?: Uint32Array<ArrayBuffer> | null;
    count?: null;
  } = {},
): void {
  const { input: data = input, length = 4096n, cuts = lengths, count = word } = more;
  each(`boundary ${name}`, (c, j) => abi.warp_boundary(c, of, data, length, 1, cuts, 8, count, j));
}
cut("without params", null);
cut("with a small struct", changed(struct, 0, 143));
for (const bits of [0, 7, 25, 32, 2 ** 32 - 1]) cut(`avg_bits ${bits}`, changed(struct, 4, bits));
for (const min of [0, 63, 1025, 2 ** 32 - 1]) cut(`min ${min}`, changed(struct, 8, min));
for (const max of [0, 1023, 2 ** 26 + 1, 2 ** 32 - 1]) cut(`max ${max}`, changed(struct, 12, max));
cut("without input", struct, { input: null });
cut("without cuts", struct, { cuts: null });
cut("without count", struct, { count: null });
cut("of 4 GiB", struct, { length: 1n << 32n });

console.log("blake3");
for (const mode of [4, 2 ** 32 - 1]) {
  each(`blake3 mode ${mode}`, (c, j) => abi.warp_blake3(c, mode, key, input, one, 1n, out, j));
  expect(`xof mode ${mode}`, abi.warp_blake3_xof(mode, key, input, 1n, out, 1n));
}
for (const mode of [1, 2]) {
  each(
    `blake3 ${mode} without key`,
    (c, j) => abi.warp_blake3(c, mode, null, input, one, 1n, out, j),
  );
  expect(`xof ${mode} without key`, abi.warp_blake3_xof(mode, null, input, 1n, out, 1n));
}
each("blake3 without offsets", (c, j) => abi.warp_blake3(c, 0, null, input, null, 1n, out, j));
each("blake3 without base", (c, j) => abi.warp_blake3(c, 0, null, null, one, 1n, out, j));
const fives = u64s([5, 5]);
each("blake3 without base at 5", (c, j) => abi.warp_blake3(c, 0, null, null, fives, 1n, out, j));
each("blake3 without out", (c, j) => abi.warp_blake3(c, 0, null, input, one, 1n, null, j));
each("blake3, descending", (c, j) => abi.warp_blake3(c, 0, null, input, down, 2n, out, j));
each("blake3, too many", (c, j) => abi.warp_blake3(c, 0, null, input, one, TOO_MANY, out, j));
expect("xof without input", abi.warp_blake3_xof(0, null, null, 1n, out, 1n));
expect("xof without out", abi.warp_blake3_xof(0, null, input, 1n, null, 1n));
each("merkle without key", (c, j) => abi.warp_merkle(c, null, input, 4n, out, j));
each("merkle without leaves", (c, j) => abi.warp_merkle(c, key, null, 4n, out, j));
each("merkle without out", (c, j) => abi.warp_merkle(c, key, input, 4n, null, j));
each("merkle of none", (c, j) => abi.warp_merkle(c, key, input, 0n, out, j));
each("merkle of too many", (c, j) => abi.warp_merkle(c, key, input, HUGE, out, j));

console.log("seal, open");
type Buffer = Uint8Array<ArrayBuffer> | BigUint64Array<ArrayBuffer> | null;
interface SealCase {
  base?: Buffer;
  offsets?: Buffer;
  n?: bigint;
  keys?: Buffer;
  stride?: number;
  nonces?: Buffer;
  aad?: Buffer;
  aadOffsets?: Buffer;
  out?: Buffer;
  outOffsets?: Buffer;
  statuses?: Buffer;
}
function seal(name: string, change: SealCase): void {
  const a = {
    base: input,
    offsets: one,
    n: 1n,
    keys: key,
    stride: 0,
    nonces: nonce,
    aad: null,
    aadOffsets: null,
    out,
    outOffsets: places,
    statuses,
    ...change,
  };
  const { base, offsets, n, keys, stride, nonces, aad, aadOffsets } = a;
  const given = [
    base,
    offsets,
    n,
    keys,
    stride,
    nonces,
    aad,
    aadOffsets,
    a.out,
    a.outOffsets,
  ] as const;
  if (!("statuses" in change)) each(`seal ${name}`, (c, j) => abi.warp_seal(c, ...given, j));
  each(`open ${name}`, (c, j) => abi.warp_open(c, ...given, a.statuses, j));
}
seal("without base", { base: null });
seal("without base at 5", { base: null, offsets: fives });
seal("without offsets", { offsets: null });
seal("without keys", { keys: null });
seal("stride 16", { stride: 16 });
seal("without nonces", { nonces: null });
seal("aad without offsets", { aad: input });
seal("descending aad", { aad: input, aadOffsets: u64s([9, 3]) });
seal("without out", { out: null });
seal("without places", { outOffsets: null });
seal("without statuses", { statuses: null });
seal("descending", { offsets: down, n: 2n });
seal("too many", { n: TOO_MANY });
// The first item is too short for a tag, so that both together need no more than two tags.
seal("without out for the second", {
  offsets: u64s([0, 0, 32]),
  n: 2n,
  nonces: noise(24),
  out: null,
});

console.log("compress, decompress");
interface CodecCase {
  codec?: number;
  dictionary?: Struct | null;
  dictionaryLength?: bigint;
  base?: Buffer;
  offsets?: Buffer;
  n?: bigint;
  out?: Buffer;
  outOffsets?: Buffer;
  results?: null;
}
function code(name: string, change: CodecCase): void {
  const a = {
    codec: LZ4,
    dictionary: null,
    dictionaryLength: 0n,
    base: input,
    offsets: one,
    n: 1n,
    out,
    outOffsets: places,
    results: undefined,
    ...change,
  };
  const { codec, dictionary, dictionaryLength, n } = a;
  const given = [a.base, a.offsets, n, a.out, a.outOffsets] as const;
  const words = a.results === null ? null : lengths, marks = a.results === null ? null : statuses;
  each(
    `compress ${name}`,
    (c, j) => abi.warp_compress(c, codec, 1, dictionary, dictionaryLength, ...given, words, j),
  );
  each(
    `decompress ${name}`,
    (c, j) => abi.warp_decompress(c, codec, dictionary, dictionaryLength, ...given, marks, j),
  );
}
for (const codec of [STORED, 3, 2 ** 32 - 1]) code(`codec ${codec}`, { codec });
code("LZ4 with a dictionary", { dictionary: input, dictionaryLength: 100n });
code("a dictionary of 7 bytes", { codec: ZSTD, dictionary: input, dictionaryLength: 7n });
code("without base", { base: null });
code("without base at 5", { base: null, offsets: fives });
code("without out at 5", { out: null, outOffsets: fives });
code("without offsets", { offsets: null });
code("without out", { out: null });
code("without slots", { outOffsets: null });
code("without results", { results: null });
code("descending", { offsets: down, n: 2n });
code("descending slots", { offsets: u64s([0, 1, 2]), outOffsets: u64s([0, 100, 50]), n: 2n });
code("too many", { n: TOO_MANY });
for (const level of [-8, 23, 2 ** 31 - 1, -(2 ** 31)]) {
  each(
    `zstd level ${level}`,
    (c, j) => abi.warp_compress(c, ZSTD, level, null, 0n, input, one, 1n, out, places, lengths, j),
  );
}

console.log("entropy");
const shorts = new Uint16Array(8);
each("entropy without base", (c, j) => abi.warp_entropy(c, null, one, 1n, 0, shorts, j));
each("entropy without offsets", (c, j) => abi.warp_entropy(c, input, null, 1n, 0, shorts, j));
each("entropy without out", (c, j) => abi.warp_entropy(c, input, one, 1n, 0, null, j));
each("entropy, descending", (c, j) => abi.warp_entropy(c, input, down, 2n, 0, shorts, j));
each("entropy, too many", (c, j) => abi.warp_entropy(c, input, one, TOO_MANY, 0, shorts, j));
each("entropy, sample", (c, j) => abi.warp_entropy(c, input, one, 1n, 2 ** 26 + 1, shorts, j));
each(
  "entropy of too much",
  (c, j) => abi.warp_entropy(c, input, u64s([0, 2 ** 26 + 1]), 1n, 0, shorts, j),
);

console.log("fused");
const whole = fusedStruct(fused);
interface FusedCase {
  params?: Struct | null;
  input?: null;
  length?: bigint;
  /** Which of the outputs is null. */
  without?: number;
}
function fuse(name: string, change: FusedCase): void {
  const { params = whole, length = 4096n, without } = change;
  const outputs = [out, u64s(new Array(9).fill(0)), u64s(new Array(9).fill(0)), out, statuses, word]
    .map((one, i) => i === without ? null : one);
  const [to, raw, sealed, ids, codecs, count] = outputs as Buffer[];
  const data = change.input === null ? null : input;
  each(
    `fused ${name}`,
    (c, j) =>
      abi.warp_fused(c, params, data, length, to!, 8192n, raw!, sealed!, ids!, codecs!, count!, j),
  );
}
fuse("without params", { params: null });
fuse("with a small struct", { params: changed(whole, 0, 239) });
fuse("codec zstd", { params: changed(whole, 8, ZSTD) });
fuse("mode derive", { params: changed(whole, 12, 2) });
fuse("with a small inner struct", { params: changed(whole, 96, 143) });
fuse("avg_bits 25", { params: changed(whole, 100, 25) });
fuse("without input", { input: null });
fuse("of 4 GiB", { length: 1n << 32n });
for (let i = 0; i < 6; i++) fuse(`without output ${i}`, { without: i });

// None of them may have left a job, and the library still works.
expect("poll", abi.warp_poll(handle, long, lengths, 1, word), OK);
expect("jobs left", word[0]!, 0);
expect("a call", abi.warp_blake3(handle, 0, null, input, one, 1n, out, null), OK);
context.close();
console.log("all done");
