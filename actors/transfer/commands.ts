/**
 * The transfer commands: find out who is meant, start the actors, and tell what happens.
 *
 * @module
 */
import { loadKernels } from "../../kernels/load.ts";
import { equal, fromHex, toHex } from "../base/bytes.ts";
import type { CommandIo } from "../base/command.ts";
import { asWarpError, WarpError } from "../base/errors.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import { printableText } from "../base/terminal.ts";
import { formatBytes, MiB } from "../base/units.ts";
import { chunkSizes, DEFAULT_CHUNK_AVG } from "../chunker/chunk_sizes.ts";
import type { ChunkerProtocol } from "../chunker/protocol.ts";
import { formatSigner, parseSigner } from "../cipher/public_keys.ts";
import type { ItemStream } from "../runtime/link.ts";
import type { RequestOf } from "../runtime/protocol.ts";
import { transferTree, withTree } from "../root.ts";
import type { CarrierPolicy, DialTarget } from "./client_io.ts";
import { TRANSFER_ID_BYTES } from "./handshake.ts";
import type { CarrierName } from "./lane.ts";
import { ManifestRoot, PAGE_BYTES_MAX } from "./manifest.ts";
import type {
  FetchOptions,
  ListenOptions,
  LiveOptions,
  MoveOptions,
  PlanOptions,
  ProbeOptions,
  ReceiveOptions,
  ResumeOptions,
  SendOptions,
  ServeOptions,
} from "./options.ts";
import { formatEndpoint, formatPeerAddress, parseEndpoint } from "./peer_address.ts";
import { deviceIdentity, findPeer, ownEndpoints, requirePeer, sha256 } from "./peers_io.ts";
import { progressOf, reportTransfer } from "./print.ts";
import { RateMeter } from "./rate.ts";
import { parseReceipt } from "./receipt.ts";
import type {
  ServeRequest,
  SourceOptions,
  TransferEvent,
  TransferNote,
  TransferProtocol,
  TransferResult,
} from "./protocol.ts";
import {
  dropTransfer,
  findTransfer,
  listTransfers,
  readPeers,
  saveReceipt,
  saveTransfer,
  type TransferRecord,
} from "./state_io.ts";
import { formatTicket, TICKET_SECRET_BYTES } from "./ticket.ts";

export const DEFAULT_PORT = 9277; // W-A-R-P on a telephone
const EVENTS_WINDOW_BYTES = MiB;
/** Sessions of a daemon that may send at the same time. */
const DAEMON_SENDERS = 4;

type Streams = TransferProtocol["streams"];
type Op = keyof Streams;

/** Runs one stream of the transfer actor, and shows what it tells. */
async function run<K extends Op>(
  op: K,
  io: CommandIo,
  chunkers: number,
  prepare: () => Promise<RequestOf<Streams[K]>>,
  onNote: (note: TransferNote, io: CommandIo) => void = showNote,
): Promise<Streams[K]["result"]> {
  return await withTree(transferTree(chunkers), false, io, prepare, async (tree, request) => {
    const actor = tree.ref<TransferProtocol>("transfer");
    const options = { windowBytes: EVENTS_WINDOW_BYTES, signal: io.signal };
    const stream = actor.stream(op, request, options) as ItemStream<
      TransferEvent,
      Streams[K]["result"]
    >;
    let lastRecordAt = 0;
    const rate = new RateMeter();
    for await (const event of stream.items) {
      if (event.type === "note") {
        onNote(event, io);
        continue;
      }
      const { phase, bytes, bytesOffered, bytesTotal, bytesMoved, bytesSaved } = event;
      const { files, wire, carrier, lanes } = event;
      const now = performance.now();
      rate.update(bytes, now);
      io.progress(progressOf(event));
      if (!io.options.isJson || now - lastRecordAt < 1000 || carrier === null) continue;
      lastRecordAt = now;
      io.json({
        message_type: "progress",
        phase,
        bytes,
        bytes_offered: bytesOffered,
        bytes_total: bytesTotal,
        bytes_moved: bytesMoved,
        bytes_saved: bytesSaved,
        bytes_per_second: rounded(rate.bytesPerSecond),
        eta_seconds: bytesTotal === null ? null : rounded(rate.secondsFor(bytesTotal - bytes)),
        files,
        wire_bytes: wire,
        carrier,
        lanes,
      });
    }
    return await stream.result;
  });
}

function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value);
}

function showNote({ event, text, details }: TransferNote, io: CommandIo): void {
  if (event === "reconnecting" || event === "refused" || event === "session-failed") {
    if (!io.options.isJson) io.note(printableText(text));
  } else {
    io.note(printableText(text), 1);
  }
  io.json({ message_type: event.replace("-", "_"), ...details });
}

// --- warp send

export async function send(
  options: SendOptions,
  io: CommandIo,
  record?: TransferRecord,
): Promise<number> {
  if (!options.words.includes("-")) return await sendWords(options, io, record);
  // Standard input is a file called "stdin": it is kept until it has arrived, so that it can be resumed
  // within this run. What has no end is for `warp stream send`.
  const folder = Deno.makeTempDirSync({ prefix: "warp-send-" });
  try {
    const path = `${folder}/stdin`;
    await Deno.stdin.readable.pipeTo(
      (await Deno.open(path, { write: true, createNew: true, mode: 0o600 })).writable,
      { signal: io.signal },
    );
    const words = options.words.map((word) => word === "-" ? path : word);
    return await sendWords({ ...options, words }, io, record);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

async function sendWords(
  options: SendOptions,
  io: CommandIo,
  record: TransferRecord | undefined,
): Promise<number> {
  const words = [...options.words];
  const last = words.length > 1 ? words.at(-1)! : undefined;
  const target = last === undefined ? undefined : findPeer(last, ["push"]);
  if (target === undefined) return await sendByTicket(options, io, record);
  const sources = words.slice(0, -1);
  const id = record === undefined ? newId() : fromHex(record.id);
  const where = target.secret === null ? last! : "a ticket";
  keep(id, "send", options, `${sources.join(" ")} to ${where}`, record);
  const result = await run("push", io, 1, async () => ({
    ...await dialRequest(options, target, id, io),
    ...sourceOptions(options, sources),
    isDryRun: false,
    isForce: options.isForce,
  }));
  return conclude(id, result, options, "sent", io);
}

/** Serves what `sources` name until the holder of a ticket has received it. */
async function sendByTicket(
  options: SendOptions,
  io: CommandIo,
  record: TransferRecord | undefined,
): Promise<number> {
  const sources = [...options.words];
  for (const source of sources) {
    if (!isThere(source)) {
      throw new WarpError("E_NOT_FOUND", `"${printableText(source)}" is neither there nor a peer`, {
        hint: "a destination is a ticket, HOST:PORT#KEY, or a name of the peers file",
      });
    }
  }
  // A ticket that was given away must stay good: the secret comes from the kept record.
  const saved = record?.options as { secret?: string; expires?: number; port?: number } | undefined;
  const secret = saved?.secret === undefined
    ? crypto.getRandomValues(new Uint8Array(TICKET_SECRET_BYTES))
    : fromHex(saved.secret);
  const id = record === undefined ? newId() : fromHex(record.id);
  const expires = saved?.expires ?? Math.floor(Date.now() / 1000) + options.expiresS;
  const summary = `${sources.join(" ")} by ticket`;
  let kept: TransferRecord | undefined;
  const onNote = (note: TransferNote) => {
    showNote(note, io);
    if (note.event === "listening") {
      const port = Number(note.details["port"]);
      const key = parseSigner(String(note.details["key"]));
      const more = { ...options, secret: toHex(secret), expires, port };
      kept = keep(id, "serve", more, summary, record);
      const endpoints = endpointsOf(options, port);
      showTicket(
        formatTicket({ purpose: "receive", expires, key, secret, endpoints }, sha256),
        "receive",
        io,
      );
    }
    if (note.event === "bound" && kept !== undefined) {
      saveTransfer({ ...kept, boundTo: toHex(parseSigner(String(note.details["key"]))) });
    }
  };
  const result = await run(
    "serve",
    io,
    1,
    async () => ({
      identity: await deviceIdentity(options.identityFile, io),
      hostname: options.host,
      port: saved?.port ?? options.port ?? 0,
      carriers: carriersOf(options.carrier),
      directory: null,
      isForce: false,
      allowed: [],
      ticket: {
        secret,
        expires,
        purpose: "receive",
        boundTo: record?.boundTo === undefined ? null : fromHex(record.boundTo),
      },
      offer: sourceOptions(options, sources),
      isOnce: true,
      keepMs: null,
      limit: options.limit ?? null,
    }),
    onNote,
  );
  if (result === null) return 0;
  return conclude(id, result, options, "sent", io);
}

function showTicket(ticket: string, verb: "receive" | "send", io: CommandIo): void {
  if (io.options.isJson) return io.json({ message_type: "ticket", ticket });
  if (io.stdout.isTerminal) {
    showQr(ticket, io).catch(() => {});
    io.note(`on the other machine: warp ${verb === "receive" ? "receive" : "send PATH..."} TICKET`);
  }
  io.stdout.write(`${ticket}\n`);
}

async function showQr(text: string, io: CommandIo): Promise<void> {
  const { renderUnicodeCompact } = await import("uqr");
  io.note(renderUnicodeCompact(text, { border: 1 }));
}

// --- warp listen

export async function listen(options: ListenOptions, io: CommandIo): Promise<number> {
  const { isForce, isTicketWanted } = options;
  const directory = Deno.realPathSync(makeDirectory(options.directory));
  const peers = readPeers();
  const allowed = options.allowed.map((text) =>
    peers.find(({ name }) => name === text)?.key ?? parseSigner(text)
  );
  const secret = crypto.getRandomValues(new Uint8Array(TICKET_SECRET_BYTES));
  const expires = Math.floor(Date.now() / 1000) + options.expiresS;
  if (allowed.length === 0 && peers.length === 0 && !isTicketWanted) {
    throw new WarpError("E_USAGE", "nobody could connect: no key is allowed", {
      hint: "--allow KEY (the other's `warp key show`), or --ticket",
    });
  }
  await run(
    "serve",
    io,
    DAEMON_SENDERS,
    async (): Promise<ServeRequest> => ({
      identity: await deviceIdentity(options.identityFile, io),
      hostname: options.host,
      port: options.port ?? DEFAULT_PORT,
      carriers: carriersOf(options.carrier),
      directory,
      isForce,
      allowed: [...allowed, ...(options.allowed.length === 0 ? peers.map(({ key }) => key) : [])],
      ticket: isTicketWanted ? { secret, expires, purpose: "push", boundTo: null } : null,
      offer: null,
      isOnce: false,
      keepMs: 1000 * options.keepS,
      limit: options.limit ?? null,
    }),
    (note) => {
      if (note.event !== "listening") {
        if (note.event === "session-done") keepReceipt(note);
        // A daemon's log: one line an event.
        if (!io.options.isJson) io.note(printableText(note.text));
        const { receipt: _, ...details } = note.details;
        return io.json({ message_type: note.event.replace("-", "_"), ...details });
      }
      const port = Number(note.details["port"]);
      const key = parseSigner(String(note.details["key"]));
      const endpoints = endpointsOf(options, port);
      io.json({
        message_type: "listening",
        ...note.details,
        addresses: endpoints.map(formatEndpoint),
      });
      if (!io.options.isJson) {
        for (const endpoint of endpoints) {
          io.stdout.write(`${formatPeerAddress(endpoint, key)}\n`);
        }
      }
      if (isTicketWanted) {
        const ticket = { purpose: "push", expires, key, secret, endpoints } as const;
        showTicket(formatTicket(ticket, sha256), "send", io);
      }
    },
  );
  return 0;
}

function keepReceipt({ details }: TransferNote): void {
  const { receipt } = details;
  if (typeof receipt !== "string") return;
  saveReceipt(JSON.parse(receipt).transfer, receipt);
}

// --- warp receive, warp fetch

export async function receive(
  options: ReceiveOptions,
  io: CommandIo,
  record?: TransferRecord,
): Promise<number> {
  const target = requirePeer(options.ticket, ["receive"]);
  if (target.secret === null) throw new WarpError("E_USAGE", "`warp receive` takes a ticket");
  // The ticket names the transfer: whoever holds it goes on with the same one.
  const id = record === undefined
    ? sha256(target.secret).slice(0, TRANSFER_ID_BYTES)
    : fromHex(record.id);
  return await pull("receive", options, target, null, id, io, record);
}

export async function fetch(
  options: FetchOptions,
  io: CommandIo,
  record?: TransferRecord,
): Promise<number> {
  const { peer, path } = splitSource(options.source);
  const target = requirePeer(peer, []);
  const id = record === undefined ? newId() : fromHex(record.id);
  return await pull("fetch", options, target, path, id, io, record);
}

async function pull(
  kind: "receive" | "fetch",
  options: ReceiveOptions | FetchOptions,
  target: DialTarget,
  path: string | null,
  id: Uint8Array,
  io: CommandIo,
  record: TransferRecord | undefined,
): Promise<number> {
  const { directory } = options;
  const absolute = { ...options, directory: Deno.realPathSync(makeDirectory(directory)) };
  const summary = `${path ?? "a ticket"} into ${directory}`;
  keep(id, kind, absolute, summary, record);
  const result = await run("pull", io, 0, async () => ({
    ...await dialRequest(options, target, id, io),
    path,
    directory: absolute.directory,
    isForce: options.isForce,
  }));
  return conclude(id, result, options, "received", io);
}

/** `HOST:PORT#KEY/PATH` or `NAME/PATH`. */
function splitSource(source: string): { peer: string; path: string } {
  const hash = source.indexOf("#");
  const slash = source.indexOf("/", hash < 0 ? 0 : hash);
  if (slash < 0) return { peer: source, path: "" };
  return { peer: source.slice(0, slash), path: source.slice(slash + 1) };
}

// --- warp stream send, warp stream receive

/** Standard input of one device is standard output of the other. */
export async function live(
  isSending: boolean,
  options: LiveOptions,
  io: CommandIo,
): Promise<number> {
  const { peer, limit } = options;
  const identity = () => deviceIdentity(options.identityFile, io);
  let bytes: number;
  if (peer !== undefined) {
    const target = requirePeer(peer, [isSending ? "stream-send" : "stream-receive"]);
    ({ bytes } = await run("live", io, 0, async () => ({
      target,
      carrier: options.carrier,
      identity: await identity(),
      limit: limit ?? null,
      isSending,
    })));
  } else {
    // The ticket says what its holder is to do.
    const purpose = isSending ? "stream-receive" as const : "stream-send" as const;
    const secret = crypto.getRandomValues(new Uint8Array(TICKET_SECRET_BYTES));
    const expires = Math.floor(Date.now() / 1000) + options.expiresS;
    const onNote = (note: TransferNote) => {
      showNote(note, io);
      if (note.event !== "listening") return;
      const port = Number(note.details["port"]);
      const key = parseSigner(String(note.details["key"]));
      const endpoints = endpointsOf(options, port);
      const ticket = formatTicket({ purpose, expires, key, secret, endpoints }, sha256);
      if (isSending) showTicket(ticket, "receive", io);
      // Standard output is the stream.
      else if (io.options.isJson) io.json({ message_type: "ticket", ticket });
      else io.note(ticket, -1);
    };
    const result = await run(
      "serve",
      io,
      0,
      async () => ({
        identity: await identity(),
        hostname: options.host,
        port: options.port ?? 0,
        carriers: carriersOf(options.carrier),
        directory: null,
        isForce: false,
        allowed: [],
        ticket: { secret, expires, purpose, boundTo: null },
        offer: null,
        isOnce: true,
        keepMs: null,
        limit: limit ?? null,
      }),
      onNote,
    );
    bytes = result?.bytes ?? 0;
  }
  io.note(`${isSending ? "sent" : "received"} ${formatBytes(bytes)}`, 1);
  io.json({ message_type: isSending ? "stream_sent" : "stream_received", bytes });
  return 0;
}

// --- warp plan, warp probe

export async function plan(options: PlanOptions, io: CommandIo): Promise<number> {
  const words = [...options.words];
  const target = requirePeer(words.pop()!, ["push"]);
  const startedAt = performance.now();
  const result = await run("push", io, 1, async () => ({
    target,
    carrier: options.carrier,
    identity: await deviceIdentity(options.identityFile, io),
    transferId: newId(),
    limit: null,
    retryMs: 0,
    sources: words.map(absolutePath),
    excludes: [...options.excludes],
    compression: "none" as const,
    isDryRun: true,
    isForce: true,
  }));
  const compareS = (performance.now() - startedAt) / 1000;
  const probed = await run("probe", io, 0, async () => ({
    target,
    carrier: options.carrier,
    identity: await deviceIdentity(options.identityFile, io),
    seconds: 0.5,
  }));
  const moveS = result.bytesMoved / probed.bytesPerSecond;
  const there = result.bytes - result.bytesMoved;
  const perFileS = 0;
  io.json({
    message_type: "plan",
    files: result.files,
    bytes: result.bytes,
    bytes_there: there,
    bytes_to_move: result.bytesMoved,
    rtt_ms: probed.rttMs,
    bytes_per_second: Math.round(probed.bytesPerSecond),
    seconds: { compare: compareS, move: moveS, total: Math.max(compareS, moveS) + perFileS },
  });
  if (!io.options.isJson) {
    const share = result.bytes === 0 ? 0 : Math.round(100 * there / result.bytes);
    io.stdout.write(
      `files:     ${result.files}\n` +
        `content:   ${formatBytes(result.bytes)}\n` +
        `there:     ${formatBytes(there)} (${share} %)\n` +
        `to move:   ${formatBytes(result.bytesMoved)}\n` +
        `path:      ${probed.carrier}, ${probed.rttMs.toFixed(1)} ms, ` +
        `${formatBytes(Math.round(probed.bytesPerSecond))}/s\n` +
        `time:      compare ${compareS.toFixed(1)} s, move ${moveS.toFixed(1)} s, ` +
        `side by side about ${Math.max(compareS, moveS).toFixed(1)} s\n`,
    );
  }
  return 0;
}

export async function probe(options: ProbeOptions, io: CommandIo): Promise<number> {
  const target = requirePeer(options.peer, ["push", "receive"]);
  const carriers: CarrierPolicy[] = options.carrier === "auto"
    ? ["tcp", "quic"]
    : [options.carrier];
  let reached = 0;
  let failure: unknown;
  for (const carrier of carriers) {
    try {
      const result = await run("probe", io, 0, async () => ({
        target,
        carrier,
        identity: await deviceIdentity(options.identityFile, io),
        seconds: options.seconds,
      }));
      reached++;
      io.json({
        message_type: "probe",
        carrier,
        remote: result.remote,
        program: result.program,
        rtt_ms: result.rttMs,
        rtt_min_ms: result.rttMinMs,
        bytes_per_second: Math.round(result.bytesPerSecond),
        lanes_max: result.lanesMax,
      });
      if (!io.options.isJson) {
        io.stdout.write(
          `${carrier.padEnd(5)} ${result.remote}  rtt ${result.rttMs.toFixed(2)} ms ` +
            `(min ${result.rttMinMs.toFixed(2)})  ${
              formatBytes(Math.round(result.bytesPerSecond))
            }/s on one lane  ${printableText(result.program)}\n`,
        );
      }
    } catch (error) {
      io.signal.throwIfAborted();
      failure = error;
      const text = error instanceof Error ? error.message : String(error);
      if (carriers.length > 1) io.note(`${carrier}: ${printableText(text)}`);
    }
  }
  if (reached === 0) throw failure;
  return 0;
}

// --- warp resume

export async function resume({ id, isForget }: ResumeOptions, io: CommandIo): Promise<number> {
  if (id === undefined) {
    const records = listTransfers();
    for (const { id, started, kind, summary } of records) {
      io.json({ message_type: "transfer", id, started, kind, summary });
      if (!io.options.isJson) {
        io.stdout.write(`${id.slice(0, 8)}  ${started}  ${kind}  ${printableText(summary)}\n`);
      }
    }
    if (records.length === 0) io.note("nothing was interrupted");
    return 0;
  }
  const record = findTransfer(id);
  if (isForget) {
    await forget(record);
    return 0;
  }
  switch (record.kind) {
    case "receive":
      return await receive(record.options as unknown as ReceiveOptions, io, record);
    case "fetch":
      return await fetch(record.options as unknown as FetchOptions, io, record);
    default:
      return await send(record.options as unknown as SendOptions, io, record);
  }
}

/** What it wrote here, and did not finish, goes as well. */
async function forget({ id, kind }: TransferRecord): Promise<void> {
  dropTransfer(id);
  if (kind !== "receive" && kind !== "fetch") return;
  const { removeLeftovers, takeNote } = await import("./leftovers_io.ts");
  const note = takeNote(id);
  if (note === undefined) return;
  const { leftoverPrefix } = await import("./landing.ts");
  const { blake3 } = await loadKernels();
  await removeLeftovers(note, leftoverPrefix(fromHex(id), blake3));
}

// --- warp verify --receipt

/** Checks both signatures, and what lies at `path` against them if that is given. */
export async function verifyReceipt(
  file: string,
  path: string | undefined,
  io: CommandIo,
): Promise<number> {
  const receipt = parseReceipt(readText(file));
  const { root, files, bytes, time } = receipt;
  const facts = {
    sender: formatSigner(receipt.sender),
    receiver: formatSigner(receipt.receiver),
    files,
    bytes,
    time: new Date(time * 1000).toISOString(),
    root: toHex(root),
  };
  if (path !== undefined) {
    const found = await rootOf(absolutePath(path), io);
    if (!equal(found, root)) {
      throw new WarpError("E_INTEGRITY", `"${printableText(path)}" is not what was delivered`, {
        details: { root: facts.root, found: toHex(found) },
      });
    }
  }
  io.json({ message_type: "receipt", ...facts, content: path === undefined ? null : "same" });
  if (!io.options.isJson) {
    for (const [name, value] of Object.entries(facts)) {
      io.stdout.write(`${`${name}:`.padEnd(10)} ${value}\n`);
    }
    io.note(path === undefined ? "both signatures are right" : "signatures and content are right");
  }
  return 0;
}

/** Reads `path` as a sender would. */
async function rootOf(path: string, io: CommandIo): Promise<Uint8Array> {
  const kernels = await loadKernels();
  return await withTree(
    transferTree(1).slice(0, 1),
    true,
    io,
    () => Promise.resolve(null),
    async (tree) => {
      const chunker = tree.ref<ChunkerProtocol>("chunker.0");
      const options = { deadlineMs: 600_000, signal: io.signal };
      const chunk = chunkSizes(DEFAULT_CHUNK_AVG);
      const source = { sources: [path], excludes: [], chunk, table: null, resume: null, own: null };
      await chunker.call("open", source, options);
      const manifest = new ManifestRoot(nodeCrypto().createHash("sha256"));
      const slab = new SharedArrayBuffer(PAGE_BYTES_MAX);
      for (let batch = 0;; batch++) {
        const { cuts, entries, isLast } = await chunker.call("next", { slab }, options);
        const starts = Float64Array.from([0, ...cuts]);
        const ids = new Uint8Array(32 * cuts.length);
        kernels.blake3.hashMany(new Uint8Array(slab), starts, ids);
        const lengths = Uint32Array.from(cuts, (end, i) => end - starts[i]!);
        manifest.add({ batch, entries, lengths, ids });
        if (isLast) return manifest.digest();
      }
    },
  );
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const known = asWarpError(error);
    throw new WarpError(known.code, `"${printableText(path)}" cannot be read`, { cause: error });
  }
}

// --- shared

async function dialRequest(
  options: MoveOptions,
  target: DialTarget,
  transferId: Uint8Array,
  io: CommandIo,
) {
  return {
    target,
    carrier: options.carrier,
    identity: await deviceIdentity(options.identityFile, io),
    transferId,
    limit: options.limit ?? null,
    retryMs: 1000 * options.retryS,
  };
}

function sourceOptions(options: SendOptions, sources: string[]): SourceOptions {
  return {
    sources: sources.map(absolutePath),
    excludes: [...options.excludes],
    compression: options.compression,
  };
}

function newId(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(TRANSFER_ID_BYTES));
}

function keep(
  id: Uint8Array,
  kind: TransferRecord["kind"],
  options: object,
  summary: string,
  before: TransferRecord | undefined,
): TransferRecord {
  const record: TransferRecord = {
    id: toHex(id),
    started: before?.started ?? new Date().toISOString(),
    kind,
    options: { ...options, ...absoluteWords(options) },
    summary,
    ...(before?.boundTo === undefined ? {} : { boundTo: before.boundTo }),
  };
  saveTransfer(record);
  return record;
}

/** A transfer is resumed from any directory. */
function absoluteWords(options: object): object {
  if (!("words" in options)) return {};
  const words = options.words as readonly string[];
  return { words: words.map((word) => isThere(word) ? absolutePath(word) : word) };
}

function conclude(
  id: Uint8Array,
  result: TransferResult,
  { receiptFile }: MoveOptions,
  verb: "sent" | "received",
  io: CommandIo,
): number {
  dropTransfer(toHex(id));
  let receiptPath: string | undefined;
  if (result.receipt !== null) {
    receiptPath = saveReceipt(toHex(id), result.receipt);
    if (receiptFile !== undefined) Deno.writeTextFileSync(receiptFile, result.receipt);
  }
  return reportTransfer(result, verb, receiptFile ?? receiptPath, io);
}

function carriersOf(carrier: CarrierPolicy): CarrierName[] {
  return carrier === "auto" ? ["tcp", "quic"] : [carrier];
}

function endpointsOf({ advertise, host }: ServeOptions, port: number) {
  if (advertise.length > 0) return advertise.map(parseEndpoint);
  if (host !== "0.0.0.0" && host !== "::") return [{ host, port }];
  return ownEndpoints(port);
}

function makeDirectory(path: string): string {
  Deno.mkdirSync(path, { recursive: true });
  return path;
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function absolutePath(path: string): string {
  return path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
}
