/**
 * Which warp this is.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };

export const WARP_VERSION: string = config.version;

/** `warp --version`. */
export function versionText(): string {
  return `warp ${WARP_VERSION}\n`;
}

/** What a bug report needs. */
export function versionFacts(): Record<string, string> {
  return {
    version: WARP_VERSION,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    os: Deno.build.os,
    arch: Deno.build.arch,
  };
}
