/**
 * What the portal commands take, checked.
 *
 * @module
 */
import type { PassphraseSource } from "../cipher/passphrase.ts";
import type { PolicyFlags } from "./policy/flags.ts";
import type { Level } from "./records.ts";

/** Which key ring and which hub. */
export interface DeskOptions extends PassphraseSource {
  hub: string | undefined;
}

export interface CreateOptions extends DeskOptions {
  name: string;
  sources: readonly string[];
  excludes: readonly string[];
  isPaused: boolean;
  policy: PolicyFlags;
}

export interface PutOptions extends DeskOptions {
  portal: string;
  sources: readonly string[];
  excludes: readonly string[];
}

export interface GetOptions extends DeskOptions {
  /** A link, an id or a name. */
  portal: string;
  directory: string;
  isForce: boolean;
  version: number;
  passwordFile: string | undefined;
}

export interface OneOptions extends DeskOptions {
  portal: string;
}

export interface ShowOptions extends OneOptions {
  /** The files as well. */
  isFiles: boolean;
  passwordFile: string | undefined;
}

export interface CloseOptions extends OneOptions {
  isArchive: boolean;
}

export interface ExtendOptions extends OneOptions {
  policy: PolicyFlags;
}

export interface GrantOptions extends OneOptions {
  /** `portal1…`, or the name of a group. */
  grantee: string;
  level: Level;
  path: string | undefined;
  expires: string | undefined;
  downloads: number | undefined;
  label: string | undefined;
}

export interface RevokeOptions extends OneOptions {
  /** Ids of grants, or `portal1…`. */
  grants: readonly string[];
}

export interface LinkOptions extends OneOptions {
  level: "list" | "read";
  path: string | undefined;
  passwordFile: string | undefined;
  isOneTime: boolean;
  downloads: number | undefined;
  expires: string | undefined;
  label: string | undefined;
}

export interface RequestOptions extends OneOptions {
  reason: string;
  passwordFile: string | undefined;
}

export interface DecideOptions extends OneOptions {
  request: string;
  /** Such as `24h`. */
  expires: string;
  downloads: number | undefined;
}

export interface LogOptions extends OneOptions {
  exportFile: string | undefined;
}

export interface GroupOptions extends DeskOptions {
  name: string | undefined;
  add: readonly string[];
  remove: readonly string[];
}
