/**
 * Every bound of the system, with its unit and its reason. What comes from outside is compared with
 * these before anything is allocated.
 *
 * @module
 */
import { GiB, KiB, MiB } from "./units.ts";

/** Archive format v1: fixed sizes of docs/format.md. */
export const HEADER_BYTES = 256;
export const TRAILER_BYTES = 256;
export const INDEX_ENTRY_BYTES = 56;
export const MERKLE_BLOCK_BYTES = 64 * KiB;
export const TREE_FANOUT_MAX = 256;

/** Recipients are few; a megabyte holds hundreds of post-quantum stanzas. */
export const KEY_SECTION_BYTES_MAX = MiB;
export const KEY_STANZAS_MAX = 64;

/** A block must hold the largest chunk. */
export const CHUNK_BYTES_MAX = 64 * MiB;
export const BLOCK_RAW_BYTES_MAX = 64 * MiB;
/** Pages and nodes: 512 entries with 4 KiB paths and 64 KiB of xattrs are rare but legal. */
export const PAGE_RAW_BYTES_MAX = 16 * MiB;
/** Incompressible input may grow a little in a codec; a writer stores it instead. */
export const STORED_SLACK_BYTES = 4 * KiB;

/** Linux PATH_MAX is 4096; archives may hold relative paths somewhat above it. */
export const PATH_BYTES_MAX = 16 * KiB;
export const BASES_MAX = 64;
/** Runs of one file that a reader keeps in memory: 4 Mi scattered chunks of 64 KiB are 256 GiB. */
export const EXTENTS_MAX = 4 * MiB;

/** Files up to this size live in their file entry: a chunk would cost more than it stores. */
export const INLINE_BYTES_MAX = 512;
/** Entries per batch: bounds the table page, so that one lookup stays a handful of reads. */
export const BATCH_ENTRIES_MAX = 512;
/** A page is cut early when xattrs or long paths make it heavy. */
export const BATCH_METADATA_BYTES_MAX = 256 * KiB;

/** Argon2id parameters a reader accepts, checked before any work is done. */
export const ARGON2_MEMORY_KIB_MAX = GiB / KiB;
export const ARGON2_PASSES_MAX = 64;
export const ARGON2_LANES_MAX = 16;
