/**
 * The archive actor: drives the archive commands, on a chunker and a pool of ciphers.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { loadKernels } from "../../kernels/load.ts";
import type { openArchive as OpenArchive } from "./open_archive.ts";
import type { ChunkerProtocol } from "../chunker/protocol.ts";
import type { CipherProtocol } from "../cipher/protocol.ts";
import { defineActor, type HandlerContext } from "../runtime/define_actor.ts";
import { MerkleHash } from "../base/merkle_hash.ts";
import type { DeviceProtocol } from "../device/protocol.ts";
import { CipherPool, ThreadedLeaves } from "./cipher_pool.ts";
import { DevicePool } from "./device_pool.ts";
import { FileInput } from "./archive_io.ts";
import type { ArchiveCommand, ArchiveInit, ArchiveProtocol, Progress } from "./protocol.ts";
import { withProgress } from "../runtime/report_progress.ts";

/** What each command needs; none loads the modules of another. */
const COMMAND_MODULES = {
  create: () => import("./create_job.ts"),
  extract: async () => ({
    ...await import("./extract.ts"),
    ...await import("../target/target_io.ts"),
    ...await import("../base/fs/choose.ts"),
    ...await import("../../kernels/native/files.ts"),
  }),
  verify: () => import("./verify.ts"),
  list: () => import("./list.ts"),
  cat: () => import("./list.ts"),
  diff: () => import("./diff.ts"),
} as const satisfies Record<ArchiveCommand, () => Promise<unknown>>;

const openArchive = async (...input: Parameters<typeof OpenArchive>) =>
  (await import("./open_archive.ts")).openArchive(...input);

interface ArchiveState {
  kernels: KernelSet;
  ciphers: string[];
  device: ArchiveInit["device"];
}

export const archive = defineActor<ArchiveProtocol, ArchiveState, ArchiveInit>()({
  name: "archive",
  init: async ({ ciphers, command, device }) => {
    const [kernels] = await Promise.all([loadKernels(), COMMAND_MODULES[command]()]);
    return { kernels, ciphers, device };
  },
  streams: {
    async *create(state, request, cx) {
      const { CreateJob } = await COMMAND_MODULES.create();
      const { kernels } = state;
      const chunker = cx.ref<ChunkerProtocol>("chunker");
      const ciphers = cipherPool(state, cx);
      const device = state.device === "none"
        ? undefined
        : new DevicePool(ciphers, cx.ref<DeviceProtocol>("device"));
      if (state.device === "required") await device?.isReady;
      const job = new CreateJob(request, {
        kernels,
        chunker,
        ciphers: device ?? ciphers,
        signal: cx.signal,
      });
      const result = yield* withProgress(job.run(), () => job.progress);
      return {
        ...result,
        deviceNotes: device?.notes ?? [],
        deviceCalls: device?.served ?? 0,
      };
    },

    async *extract(state, request, cx) {
      const { Extraction, ExtractTarget, fsBackend, openSmallFiles } = await COMMAND_MODULES
        .extract();
      fsBackend.useSmallFiles(openSmallFiles());
      const { kernels } = state;
      const opened = await openArchive(request, kernels, request.isSalvage);
      try {
        const { directory, isForce, isOwnerKept, isSetidKept, paths, isSalvage } = request;
        const target = ExtractTarget.open(directory, {
          force: isForce,
          allowSetuid: isSetidKept,
          ...(isOwnerKept === null ? {} : { sameOwner: isOwnerKept }),
        });
        const extraction = new Extraction({
          entries: opened.entries(),
          find: opened.find,
          sources: opened.sources,
          ciphers: cipherPool(state, cx),
          target,
          paths,
          isSalvage,
          memoryBytes: request.memoryBytes,
          signal: cx.signal,
        });
        try {
          yield* withProgress(extraction.run(), () => extraction.progress);
        } finally {
          // Directories get their modes and times also when the run ends early.
          target.finish();
        }
        return {
          files: extraction.progress.files,
          entries: extraction.entries,
          bytes: extraction.progress.bytes,
          problems: extraction.problems,
          warnings: target.warnings.map(({ path, message }) => ({
            path: new Uint8Array(path),
            message,
          })),
          missing: extraction.missing,
          damage: opened.damage?.message ?? null,
        };
      } finally {
        opened.close();
      }
    },

    async *verify(state, request, cx) {
      const { verifyStored } = await COMMAND_MODULES.verify();
      const { kernels } = state;
      const input = FileInput.open(request.path);
      try {
        const progress: Progress = { phase: "verifying", bytes: 0, files: 0, stored: 0 };
        const merkle = new MerkleHash(kernels.blake3);
        const hasher = merkle.hasThreads ? new ThreadedLeaves(merkle) : cipherPool(state, cx);
        const stored = verifyStored(input, kernels, hasher, progress, cx.signal);
        const { opening, trailer } = yield* withProgress(stored, () => progress);
        let chunks: number | null = null;
        if (request.isDeep) {
          const { openEveryRecord } = await import("./verify_records.ts");
          const pool = cipherPool(state, cx);
          const deep = openEveryRecord(request, kernels, pool, progress, cx.signal);
          chunks = yield* withProgress(deep, () => progress);
        }
        return {
          root: trailer.root,
          archiveId: trailer.archiveId,
          totalLength: trailer.totalLength,
          isEncrypted: opening.header.encrypted,
          signer: trailer.signer ?? null,
          chunks,
        };
      } finally {
        input.close();
      }
    },

    async *list({ kernels }, request) {
      const { listEntries } = await COMMAND_MODULES.list();
      const opened = await openArchive(request, kernels);
      try {
        return yield* listEntries(opened, request.paths);
      } finally {
        opened.close();
      }
    },

    async *cat(state, request, cx) {
      const { readFile } = await COMMAND_MODULES.cat();
      const { kernels } = state;
      const opened = await openArchive(request, kernels);
      try {
        yield* readFile(opened, request.member, cipherPool(state, cx), cx.signal);
        return null;
      } finally {
        opened.close();
      }
    },

    async *diff(state, request, cx) {
      const { diffEntries } = await COMMAND_MODULES.diff();
      const { kernels } = state;
      const opened = await openArchive(request, kernels);
      try {
        return yield* diffEntries(opened, request, cipherPool(state, cx), cx.signal);
      } finally {
        opened.close();
      }
    },
  },
  costs: { cat: (bytes) => bytes.length },
});

function cipherPool({ ciphers }: ArchiveState, cx: HandlerContext): CipherPool {
  return new CipherPool(ciphers.map((name) => cx.ref<CipherProtocol>(name)));
}
