/**
 * What a build of the pages consists of: `manifest.json` beside the files.
 *
 * @module
 */
export const MANIFEST = "manifest.json";

export interface Manifest {
  /** Files under /assets/, with the encodings in which they lie there too. */
  assets: Record<string, ("br" | "gzip")[]>;
  /** HTML by page: `link`, `dashboard`. */
  pages: Record<string, string>;
}
