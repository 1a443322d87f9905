/**
 * What the stream commands are told: the parsed command line, with every value checked.
 *
 * @module
 */
import type { CompressionChoice } from "../archive/options.ts";

export interface SealOptions {
  passphraseFile: string | undefined;
  passphraseFd: number | undefined;
  /** Whether a passphrase protects the stream: named on the line, or the only key there is. */
  isPassphraseWanted: boolean;
  /** `age1...` strings, syntactically checked. */
  recipients: readonly string[];
  /** Key files whose own recipients the stream is for. */
  keyFiles: readonly string[];
  frameBytes: number;
  intervalMs: number | undefined;
  compression: CompressionChoice;
}

export interface OpenOptions {
  passphraseFile: string | undefined;
  passphraseFd: number | undefined;
  /** age identity files, or warp key files, which are the same. */
  identityFiles: readonly string[];
}
