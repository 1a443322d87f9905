/**
 * What a pump needs of the descriptors at its two ends.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";

export interface PipeInput {
  /**
   * Waits for bytes, then takes what there is, up to `buffer.length`. Gives back early when no more
   * come for a moment, or for `lingerMs`. 0: the input has ended.
   * @throws {WarpError} E_IO
   */
  fill(buffer: Bytes, lingerMs: number | null): Promise<number>;
}

export interface PipeOutput {
  /**
   * Writes all of `bytes`, which stay as they are until it is done.
   * @throws {WarpError} E_PIPE_CLOSED, E_DISK_FULL, E_IO
   */
  write(bytes: Bytes): Promise<void>;
}
