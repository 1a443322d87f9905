/**
 * What the archive commands are told: the parsed command line, with every value checked.
 *
 * Paths are as the user typed them. `-` stands for stdin or stdout where a field says so.
 *
 * @module
 */
import type { CommandIo } from "../base/command.ts";

/** Where keys come from. All empty: WARP_PASSPHRASE, else a prompt, decided when a key is needed. */
export interface KeyOptions {
  passphraseFile: string | undefined;
  /** A file descriptor number that is open for reading. */
  passphraseFd: number | undefined;
  /** age identity files (or warp key files, which are the same). */
  identityFiles: readonly string[];
}

export type CompressionChoice =
  | { mode: "auto" }
  | { mode: "none" }
  | { mode: "lz4" }
  /** Level 1..22. */
  | { mode: "zstd"; level: number };

export interface CreateOptions {
  /** At least one. */
  sources: readonly string[];
  /** `-`: stdout. */
  output: string;
  keys: KeyOptions;
  /** `age1...` strings, syntactically checked. */
  recipients: readonly string[];
  /** True when a passphrase was asked for by flag, environment or `--encrypt`. */
  isPassphraseWanted: boolean;
  compression: CompressionChoice;
  /** Average chunk size in bytes, a power of two; undefined: the default of the writer. */
  chunkSizeAvg: number | undefined;
  excludes: readonly string[];
  /** A warp key file to sign with. */
  signKeyFile: string | undefined;
  isResume: boolean;
  /** Archives to share chunks with. */
  bases: readonly string[];
  isForce: boolean;
  memoryBytes: number | undefined;
  /** Number of seal workers; undefined: one per core. */
  jobs: number | undefined;
}

/** What all readers of an archive share. */
export interface OpenOptions {
  /** `-`: stdin, where the command can work in one pass. */
  archive: string;
  keys: KeyOptions;
  /** Where to look for the archives this one is based on. */
  bases: readonly string[];
  memoryBytes: number | undefined;
  jobs: number | undefined;
}

export interface ExtractOptions extends OpenOptions {
  /** Default `.`. */
  directory: string;
  /** Members to extract; empty: all. */
  paths: readonly string[];
  isSalvage: boolean;
  isForce: boolean;
  /** Restore uid and gid (needs privilege); default: only when running as root. */
  isOwnerKept: boolean | undefined;
  /** Restore setuid, setgid and sticky bits. */
  isSetidKept: boolean;
}

export interface ListOptions extends OpenOptions {
  /** Members or directories to list; empty: all. */
  paths: readonly string[];
  /** Mode, owner, size and time besides the name. */
  isLong: boolean;
  /** Names end in NUL and are written raw. */
  isNulTerminated: boolean;
}

export interface VerifyOptions extends OpenOptions {
  /** `warpsig1...` that must have signed it, decoded: 32 bytes. */
  signer: Uint8Array | undefined;
}

export type InfoOptions = OpenOptions;

export interface CatOptions extends OpenOptions {
  /** At least one. */
  paths: readonly string[];
}

export interface DiffOptions extends OpenOptions {
  directory: string;
  excludes: readonly string[];
}

export interface ArchiveCommands {
  create: CreateOptions;
  extract: ExtractOptions;
  list: ListOptions;
  verify: VerifyOptions;
  info: InfoOptions;
  cat: CatOptions;
  diff: DiffOptions;
}

export type ArchiveCommandName = keyof ArchiveCommands;

/** The shape of `runArchiveCommand` in commands.ts; it returns the exit code or throws. */
export type RunArchiveCommand = <Name extends ArchiveCommandName>(
  name: Name,
  options: ArchiveCommands[Name],
  io: CommandIo,
) => Promise<number>;
