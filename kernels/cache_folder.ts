/**
 * Where this user's caches go.
 *
 * @module
 */
import type { Environment } from "./select.ts";

/** Undefined where no such folder is known. */
export function cacheFolder(environment: Environment): string | undefined {
  const under = (base: string | undefined, rest: string) =>
    base === undefined || base === "" ? undefined : base + rest;
  const explicit = under(environment["XDG_CACHE_HOME"], "");
  if (explicit !== undefined) return explicit;
  if (Deno.build.os === "windows") return under(environment["LOCALAPPDATA"], "");
  const rest = Deno.build.os === "darwin" ? "/Library/Caches" : "/.cache";
  return under(environment["HOME"], rest);
}
