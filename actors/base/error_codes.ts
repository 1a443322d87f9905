/**
 * The one table of error codes: code → process exit, HTTP status, whether a retry can help, and the
 * default hint. Exit codes are spec §1: 1 failed, 2 usage, 3 not found, 4 authentication or wrong
 * key, 5 integrity, 6 network, 7 partial, 130 interrupted; 70 is our own bug (sysexits).
 *
 * @module
 */

export interface ErrorClass {
  exit: number;
  http: number;
  retry: boolean;
  hint?: string;
}

const CODES = {
  E_USAGE: { exit: 2, http: 400, retry: false, hint: "see `warp --help`" },
  E_CONFIG: { exit: 2, http: 400, retry: false },
  E_EXISTS: { exit: 1, http: 409, retry: false, hint: "choose another name or pass --force" },
  E_NOT_FOUND: { exit: 3, http: 404, retry: false },
  E_ACCESS: { exit: 1, http: 403, retry: false },
  E_IO: { exit: 1, http: 500, retry: false },
  E_DISK_FULL: { exit: 1, http: 507, retry: false, hint: "free some space, then repeat" },
  E_LOCKED: { exit: 1, http: 409, retry: true, hint: "another warp is working on it" },
  E_PIPE_CLOSED: { exit: 1, http: 500, retry: false },
  E_LIMIT: { exit: 1, http: 413, retry: false },
  E_KEY_NEEDED: {
    exit: 4,
    http: 401,
    retry: false,
    hint: "pass --passphrase-file FILE or --identity FILE",
  },
  E_KEY_WRONG: { exit: 4, http: 401, retry: false },
  E_SIGNATURE: { exit: 4, http: 401, retry: false },
  E_NOT_AN_ARCHIVE: { exit: 5, http: 422, retry: false },
  E_VERSION: { exit: 5, http: 422, retry: false, hint: "a newer warp wrote this archive" },
  E_TRUNCATED: {
    exit: 5,
    http: 422,
    retry: false,
    hint: "`warp extract --salvage` recovers every file that is still whole",
  },
  E_INTEGRITY: { exit: 5, http: 422, retry: false },
  E_UNSAFE_PATH: { exit: 5, http: 422, retry: false },
  E_BASE_MISSING: {
    exit: 3,
    http: 404,
    retry: false,
    hint: "pass --base OLD.warp, or put it beside this archive",
  },
  E_NETWORK: { exit: 6, http: 502, retry: true },
  E_PEER_GONE: { exit: 6, http: 502, retry: true, hint: "`warp resume` goes on with it" },
  E_PROTOCOL: { exit: 6, http: 502, retry: false, hint: "is it a warp of this version?" },
  E_PEER_REFUSED: { exit: 4, http: 403, retry: false },
  E_TICKET: { exit: 4, http: 403, retry: false, hint: "ask for a new ticket" },
  E_AUTH: { exit: 4, http: 401, retry: false, hint: "`warp hub login URL` logs in" },
  E_CLOCK: { exit: 4, http: 401, retry: true, hint: "set the clock of this machine" },
  E_CLOSED: { exit: 4, http: 403, retry: false, hint: "`warp portal request` asks for re-entry" },
  E_GONE: { exit: 3, http: 410, retry: false },
  E_QUOTA: { exit: 1, http: 413, retry: false },
  E_RATE: { exit: 1, http: 429, retry: true, hint: "wait a little" },
  E_STORE: {
    exit: 1,
    http: 503,
    retry: true,
    hint: "the hub's database or blob store is not there",
  },
  E_PARTIAL: { exit: 7, http: 207, retry: false },
  E_CANCELLED: { exit: 130, http: 499, retry: false },
  E_BUSY: { exit: 1, http: 429, retry: true },
  E_DEADLINE: { exit: 1, http: 504, retry: true },
  E_ACTOR_DOWN: { exit: 1, http: 503, retry: true },
  E_MESSAGE_NOT_CLONEABLE: { exit: 70, http: 500, retry: false },
  E_BACKEND_UNAVAILABLE: { exit: 1, http: 501, retry: false, hint: "see `warp doctor`" },
  E_INTERNAL: {
    exit: 70,
    http: 500,
    retry: false,
    hint: "this is a bug in warp; please report it",
  },
} as const satisfies Record<string, ErrorClass>;

export type ErrorCode = keyof typeof CODES;

export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorClass>> = CODES;
