/**
 * The archive commands: opens keys, starts the actors a command needs, and prints what they report.
 *
 * @module
 */
import { loadKernels } from "../../kernels/load.ts";
import { toHex, utf8 } from "../base/bytes.ts";
import type { CommandIo } from "../base/command.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import { MiB } from "../base/units.ts";
import { archiveTree, type TreeOptions, withTree } from "../root.ts";
import { formatSigner } from "../cipher/public_keys.ts";
import type { ActorRef } from "../runtime/actor_ref.ts";
import type { RequestOf, ResultOf } from "../runtime/protocol.ts";
import { checkOutput, exists, partialPathOf } from "./archive_io.ts";
import { chunkSizes, DEFAULT_CHUNK_AVG } from "../chunker/chunk_sizes.ts";
import { HEADER_MAGIC } from "./header.ts";
import { isKeyOffered, readOpeningAt, spoolStdin } from "./archive_access.ts";
import type { findArchiveKey as FindArchiveKey } from "./keys_io.ts";
import type {
  ArchiveCommandName,
  ArchiveCommands,
  CatOptions,
  CreateOptions,
  DiffOptions,
  ExtractOptions,
  InfoOptions,
  ListOptions,
  OpenOptions,
  VerifyOptions,
} from "./options.ts";
import { dropPartialKey, keepPartialKey, recallPartialKey } from "./partial_key.ts";
import {
  formatInfo,
  nameOf,
  printCreated,
  printExtracted,
  printRow,
  reportProblems,
} from "./print.ts";
import type {
  ArchiveAccess,
  ArchiveCommand,
  ArchiveProtocol,
  CreateRequest,
  Progress,
} from "./protocol.ts";

const DEFAULT_MEMORY_BYTES = 512 * MiB;
const ITEMS_WINDOW_BYTES = MiB;

export async function runArchiveCommand<Name extends ArchiveCommandName>(
  name: Name,
  options: ArchiveCommands[Name],
  io: CommandIo,
): Promise<number> {
  switch (name) {
    case "create":
      return await create(options as CreateOptions, io);
    case "extract":
      return await extract(options as ExtractOptions, io);
    case "verify":
      return await verify(options as VerifyOptions, io);
    case "list":
      return await list(options as ListOptions, io);
    case "info":
      return await info(options as InfoOptions, io);
    case "cat":
      return await cat(options as CatOptions, io);
    default:
      return await diff(options as DiffOptions, io);
  }
}

// --- create

async function create(options: CreateOptions, io: CommandIo): Promise<number> {
  if (options.output !== "-") checkOutput(options.output, options.isForce);
  const jobs = options.jobs ?? navigator.hardwareConcurrency;
  const result = await withArchive(
    { ciphers: jobs, withChunker: true, withDevice: true, inThread: false, command: "create" },
    io,
    async () => {
      const request = await createRequest(options, io);
      const { archiveId, archiveKey } = request;
      const isForOthers = options.recipients.length > 0 && !options.isPassphraseWanted;
      if (isForOthers && archiveKey !== null) keepPartialKey(archiveId, archiveKey);
      return request;
    },
    (archive, request) => follow(archive, "create", request, io),
  );
  dropPartialKey(result.archiveId);
  printCreated(result, options.output, io);
  return reportProblems(result.problems, io);
}

async function createRequest(options: CreateOptions, io: CommandIo): Promise<CreateRequest> {
  const kernels = await loadKernels();
  const resumed = options.isResume ? await resumable(options, io) : undefined;
  const bases: ArchiveAccess[] = [];
  let baseChunkAvg: number | undefined;
  for (const path of options.bases) {
    const opening = readOpeningAt(path, kernels);
    const archiveKey = await findArchiveKey(opening, options.keys, io);
    baseChunkAvg ??= opening.header.chunk.avg;
    bases.push({ path, archiveKey, basePaths: [...options.bases] });
  }
  const fresh = resumed ?? await freshKeys(options, io);
  return {
    sources: [...options.sources],
    excludes: [...options.excludes],
    output: options.output,
    // A partial that ends before its first record holds nothing to resume, and nothing to lose.
    isForce: options.isForce || (options.isResume && resumed === undefined),
    isResume: resumed !== undefined,
    compression: options.compression,
    chunk: chunkSizes(options.chunkSizeAvg ?? baseChunkAvg ?? DEFAULT_CHUNK_AVG),
    created: Math.floor(Date.now() / 1000),
    bases,
    signIdentity: options.signKeyFile === undefined
      ? null
      : (await import("../cipher/key_file.ts")).readKeyFile(options.signKeyFile).identities[0]!,
    memoryBytes: options.memoryBytes ?? DEFAULT_MEMORY_BYTES,
    ...fresh,
  };
}

type Keys = Pick<CreateRequest, "archiveId" | "archiveKey" | "keySection">;

async function freshKeys(options: CreateOptions, io: CommandIo): Promise<Keys> {
  const archiveId = crypto.getRandomValues(new Uint8Array(16));
  const { recipients, isPassphraseWanted } = options;
  if (!isPassphraseWanted && recipients.length === 0) {
    return { archiveId, archiveKey: null, keySection: new Uint8Array() };
  }
  const archiveKey = crypto.getRandomValues(new Uint8Array(32));
  const [{ buildKeySection }, { readPassphrase }] = await Promise.all([
    import("../cipher/key_section.ts"),
    import("../cipher/passphrase.ts"),
  ]);
  const passphrase = isPassphraseWanted
    ? await readPassphrase(options.keys, io, { isNew: true })
    : undefined;
  if (isPassphraseWanted && passphrase === undefined) {
    throw new WarpError("E_KEY_NEEDED", "no passphrase was given", {
      hint: "pass --passphrase-file FILE",
    });
  }
  try {
    const section = { archiveKey, archiveId, passphrase, recipients };
    return { archiveId, archiveKey, keySection: await buildKeySection(section) };
  } finally {
    passphrase?.fill(0);
  }
}

/** Keys and chunk size of the partial archive; undefined when there is nothing to resume. */
async function resumable(
  options: CreateOptions,
  io: CommandIo,
): Promise<Keys & Pick<CreateRequest, "chunk"> | undefined> {
  const partial = partialPathOf(options.output);
  if (!exists(partial)) return undefined;
  const kernels = await loadKernels();
  let opening;
  try {
    opening = readOpeningAt(partial, kernels);
  } catch (error) {
    const isCutShort = isWarpError(error, "E_TRUNCATED") ||
      (isWarpError(error, "E_NOT_AN_ARCHIVE") && Deno.statSync(partial).size < HEADER_MAGIC.length);
    if (isCutShort) return undefined;
    throw error;
  }
  const { header, keySection } = opening;
  const kept = header.encrypted ? recallPartialKey(header.archiveId) : undefined;
  const archiveKey = kept ?? await findArchiveKey(opening, options.keys, io);
  return { archiveId: header.archiveId, archiveKey, keySection, chunk: header.chunk };
}

// --- readers

async function extract(options: ExtractOptions, io: CommandIo): Promise<number> {
  return await withInput(options.archive, async (path) => {
    const result = await withArchive(
      { ciphers: jobsFor(options, path), withChunker: false, inThread: false, command: "extract" },
      io,
      async () => ({
        ...await openAccess(path, options, io),
        directory: options.directory,
        paths: options.paths.map(archivePath),
        isForce: options.isForce,
        isSalvage: options.isSalvage,
        isOwnerKept: options.isOwnerKept ?? null,
        isSetidKept: options.isSetidKept,
        memoryBytes: options.memoryBytes ?? DEFAULT_MEMORY_BYTES,
      }),
      (archive, request) => follow(archive, "extract", request, io),
    );
    return printExtracted(result, io);
  });
}

async function verify(options: VerifyOptions, io: CommandIo): Promise<number> {
  return await withInput(options.archive, async (path) => {
    const kernels = await loadKernels();
    const opening = readOpeningAt(path, kernels);
    const isDeep = isKeyOffered(options.keys) && opening.header.encrypted;
    // Where hashing has threads of its own, Workers would only take time to start.
    const needsWorkers = isDeep || kernels.blake3.hashManyLater === undefined;
    const ciphers = needsWorkers ? jobsFor(options, path) : 0;
    const result = await withArchive(
      { ciphers, withChunker: false, inThread: !needsWorkers, command: "verify" },
      io,
      async () => {
        const archiveKey = isDeep ? await findArchiveKey(opening, options.keys, io) : null;
        return { path, archiveKey, basePaths: [...options.bases], isDeep };
      },
      (archive, request) => follow(archive, "verify", request, io),
    );
    const signer = result.signer === null ? null : formatSigner(result.signer);
    if (options.signer !== undefined) {
      const wanted = formatSigner(options.signer);
      if (signer !== wanted) {
        throw new WarpError(
          "E_SIGNATURE",
          signer === null ? "the archive is not signed" : `the archive is signed by ${signer}`,
          { hint: `expected ${wanted}` },
        );
      }
    }
    io.json({
      message_type: "verified",
      root: toHex(result.root),
      archive_id: toHex(result.archiveId),
      bytes: result.totalLength,
      encrypted: result.isEncrypted,
      signer,
      chunks: result.chunks,
    });
    const deep = result.chunks === null ? "" : `, ${result.chunks} chunks opened`;
    io.note(
      `intact: root ${toHex(result.root)}${signer === null ? "" : `, signed by ${signer}`}${deep}`,
    );
    return 0;
  });
}

async function list(options: ListOptions, io: CommandIo): Promise<number> {
  return await withAccess(options, io, { ciphers: 0, command: "list" }, async (archive, access) => {
    const request = { ...access, paths: options.paths.map(archivePath) };
    const stream = archive.stream("list", request, streamOptions(io));
    for await (const rows of stream.items) {
      for (const entry of rows) printRow(entry, options, io);
    }
    return reportMissing((await stream.result).missing, io);
  });
}

async function info(options: InfoOptions, io: CommandIo): Promise<number> {
  return await withInput(options.archive, async (path) => {
    const kernels = await loadKernels();
    const opening = readOpeningAt(path, kernels);
    const hasKey = !opening.header.encrypted || isKeyOffered(options.keys);
    const archiveKey = hasKey ? await findArchiveKey(opening, options.keys, io) : null;
    const access = { path, archiveKey, basePaths: [...options.bases] };
    const { openArchive } = await import("./open_archive.ts");
    const opened = hasKey ? openArchive(access, kernels) : undefined;
    try {
      formatInfo(path, opening, opened, kernels, io);
    } finally {
      opened?.close();
    }
    return 0;
  });
}

async function cat(options: CatOptions, io: CommandIo): Promise<number> {
  return await withAccess(options, io, { ciphers: 1, command: "cat" }, async (archive, access) => {
    for (const path of options.paths) {
      const request = { ...access, member: archivePath(path) };
      const stream = archive.stream("cat", request, streamOptions(io, 8 * MiB));
      for await (const bytes of stream.items) io.stdout.write(bytes);
      await stream.result;
    }
    return 0;
  });
}

async function diff(options: DiffOptions, io: CommandIo): Promise<number> {
  return await withAccess(options, io, { ciphers: 1, command: "diff" }, async (archive, access) => {
    const { directory, excludes } = options;
    const request = { ...access, directory, excludes: [...excludes] };
    const stream = archive.stream("diff", request, streamOptions(io));
    for await (const rows of stream.items) {
      for (const { path, change, what } of rows) {
        const name = nameOf(path);
        io.json({ message_type: "difference", path: name, change, what });
        if (!io.options.isJson) io.stdout.write(`${change} ${name}${what && ` (${what})`}\n`);
      }
    }
    const { differences, problems } = await stream.result;
    const code = reportProblems(problems, io);
    return code !== 0 ? code : differences === 0 ? 0 : 1;
  });
}

// --- shared

/** Archive paths are bytes; what the user types is UTF-8, with or without a trailing slash. */
function archivePath(text: string): Uint8Array {
  return utf8(text.replace(/^(\.\/+)+/, "").replace(/\/+$/, ""));
}

/** Small archives do not repay the start of Workers beyond the first. */
function jobsFor(options: OpenOptions, path: string): number {
  const cores = options.jobs ?? navigator.hardwareConcurrency;
  return Math.max(1, Math.min(cores, Math.ceil(Deno.statSync(path).size / (4 * MiB))));
}

async function withInput<T>(archive: string, use: (path: string) => Promise<T>): Promise<T> {
  if (archive !== "-") return await use(archive);
  const spooled = spoolStdin();
  try {
    return await use(spooled.path);
  } finally {
    spooled.close();
  }
}

async function openAccess(
  path: string,
  options: OpenOptions,
  io: CommandIo,
): Promise<ArchiveAccess> {
  const opening = readOpeningAt(path, await loadKernels());
  const archiveKey = await findArchiveKey(opening, options.keys, io);
  return { path, archiveKey, basePaths: [...options.bases] };
}

/** For the quick readers: no Workers, stdin spooled if need be. */
async function withAccess(
  options: OpenOptions,
  io: CommandIo,
  tree: { ciphers: number; command: ArchiveCommand },
  use: (archive: ActorRef<ArchiveProtocol>, access: ArchiveAccess) => Promise<number>,
): Promise<number> {
  return await withInput(options.archive, async (path) => {
    const quick = { ...tree, withChunker: false, inThread: true };
    return await withArchive(quick, io, () => openAccess(path, options, io), use);
  });
}

async function withArchive<Request, T>(
  tree: TreeOptions & { inThread: boolean },
  io: CommandIo,
  prepare: () => Promise<Request>,
  use: (archive: ActorRef<ArchiveProtocol>, request: Request) => Promise<T>,
): Promise<T> {
  return await withTree(
    archiveTree(tree),
    tree.inThread,
    io,
    prepare,
    (supervisor, request) => use(supervisor.ref<ArchiveProtocol>("archive"), request),
  );
}

/** The key of an archive; what finds it is loaded when it is needed. */
async function findArchiveKey(
  ...input: Parameters<typeof FindArchiveKey>
): Promise<Uint8Array | null> {
  if (!input[0].header.encrypted) return null;
  return await (await import("./keys_io.ts")).findArchiveKey(...input);
}

function streamOptions(io: CommandIo, windowBytes = ITEMS_WINDOW_BYTES) {
  return { windowBytes, signal: io.signal };
}

type Followed = "create" | "extract" | "verify";

async function follow<Op extends Followed>(
  archive: ActorRef<ArchiveProtocol>,
  op: Op,
  request: RequestOf<ArchiveProtocol["streams"][Op]>,
  io: CommandIo,
): Promise<ResultOf<ArchiveProtocol["streams"][Op]>> {
  const stream = archive.stream(op, request, streamOptions(io));
  for await (const item of stream.items) {
    const { phase, bytes, bytesTotal, files, path } = item as Progress;
    io.progress({
      phase,
      bytesDone: bytes,
      filesDone: files,
      ...(bytesTotal === undefined ? {} : { bytesTotal }),
      ...(path === undefined ? {} : { currentPath: path }),
    });
  }
  return await stream.result;
}

function reportMissing(missing: Uint8Array[], io: CommandIo): number {
  for (const path of missing) io.warn(`the archive holds no "${nameOf(path)}"`);
  return missing.length === 0 ? 0 : 3;
}
