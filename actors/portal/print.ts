/**
 * Portals and grants as text and as JSON.
 *
 * @module
 */
import { type Bytes, equal } from "../base/bytes.ts";
import type { CommandIo, JsonRecord } from "../base/command.ts";
import { printableText } from "../base/terminal.ts";
import { formatBytes } from "../base/units.ts";
import { formatAccount } from "./account_id.ts";
import type { GrantInfo } from "./api.ts";
import { bytes } from "./api_fields.ts";
import { decodeCondition } from "./policy/decode.ts";
import { formatCondition } from "./policy/format.ts";
import { describeMoment } from "./policy/moment.ts";
import type { Portal } from "./portal.ts";
import type { GrantNote } from "./versions.ts";

/** JSON with `--json`, else lines on stdout. */
export function tell(io: CommandIo, record: JsonRecord, lines: readonly string[]): void {
  if (io.options.isJson) io.json(record);
  else io.stdout.write(lines.map((line) => line + "\n").join(""));
}

export function timeText(ms: number, zone: string): string {
  return new Date(ms).toLocaleString("sv-SE", { timeZone: zone, timeZoneName: "short" });
}

/** The policy in words; empty: always open. */
export function policyText(portal: Portal): string {
  return formatCondition(decodeCondition(portal.settings.policy));
}

/** State and openness in a word or two. */
function stateText({ info }: Portal): string {
  if (info.state !== "active") return info.state;
  return info.isOpen ? "open" : "closed";
}

export function portalJson(portal: Portal) {
  const { info, name, owner } = portal;
  return {
    portal: info.portal,
    name: name ?? null,
    owner: formatAccount(owner),
    level: info.level,
    state: info.state,
    open: info.isOpen,
    policy: policyText(portal),
    changes_ms: info.changesMs,
    version: info.version,
    version_ms: info.versionMs,
    created_ms: info.createdMs,
    downloads: info.downloads,
    bytes_served: info.bytes,
    accessors: info.accessors,
    epoch: info.epoch,
  };
}

export function portalLines(portals: readonly Portal[], account: Bytes, nowMs: number): string {
  return portals.map((portal) => {
    const { info, name, owner } = portal;
    const change = info.changesMs === null
      ? ""
      : `, until ${describeMoment(info.changesMs, nowMs, "UTC")}`;
    const whose = equal(owner, account) ? "own" : info.level;
    return `${info.portal}  ${stateText(portal).padEnd(8)} ${whose.padEnd(5)} ` +
      `${printableText(name ?? "(a part of a portal)")}  version ${info.version}, ` +
      `${info.downloads} downloads${change}\n`;
  }).join("");
}

export function portalText(portal: Portal, zone: string): string {
  const { info, name, owner } = portal;
  const rows: [string, string][] = [
    ["name", printableText(name ?? "(sealed for others)")],
    ["id", info.portal],
    ["owner", formatAccount(owner)],
    ["state", stateText(portal)],
    ["policy", policyText(portal) || "none: open until closed"],
    ["created", timeText(info.createdMs, zone)],
    [
      "version",
      info.versionMs === null ? "none yet" : `${info.version}, ${timeText(info.versionMs, zone)}`,
    ],
    ["downloads", `${info.downloads}, by ${info.accessors}, ${formatBytes(info.bytes)}`],
  ];
  if (info.changesMs !== null) rows.push(["changes", timeText(info.changesMs, zone)]);
  return rows.map(([label, text]) => `${(label + ":").padEnd(11)}${text}\n`).join("");
}

interface NotedGrant {
  grant: GrantInfo;
  note: GrantNote | undefined;
}

export function grantJson({ grant, note }: NotedGrant) {
  return {
    grant: grant.grant,
    kind: grant.kind,
    grantee: granteeText(grant),
    level: grant.level,
    path: note?.path ?? null,
    label: note?.label ?? null,
    downloads: grant.downloads,
    downloads_max: grant.downloadsMax,
    expires_ms: grant.expiresMs,
    reentry_ms: grant.reentryMs,
    granted_ms: grant.grantedMs,
    revoked_ms: grant.revokedMs,
  };
}

function granteeText({ kind, grantee }: GrantInfo): string {
  return kind === "account" ? formatAccount(bytes(grantee, 32)) : grantee;
}

export function grantLine({ grant, note }: NotedGrant): string {
  const most = grant.downloadsMax === null ? "" : ` of ${grant.downloadsMax}`;
  const parts = [
    grant.kind === "account" ? granteeText(grant) : grant.kind,
    `may ${grant.level}`,
    ...(note?.path == null ? [] : [printableText(note.path)]),
    ...(note === undefined || note.label === "" ? [] : [`(${printableText(note.label)})`]),
    `${grant.downloads}${most} downloads`,
    ...(grant.revokedMs === null ? [] : ["revoked"]),
  ];
  return `grant ${grant.grant}: ${parts.join(", ")}\n`;
}
