/**
 * The audit log of a portal: each entry carries the hash of the one before, so that none can be changed or
 * dropped unseen.
 *
 *     text = JSON {"entry", "atMs", "actor", "action", ..., "before"}    before: hash of the entry before, hex
 *     hash = SHA-256("portal/audit/v1" ‖ 0x00 ‖ text)
 *
 * @module
 */
import { type Bytes, toHex } from "../../actors/base/bytes.ts";
import { auditHash } from "../../actors/portal/audit.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { bytesOf, numberOf, type Sql } from "../hub.ts";

export type AuditDetail = Readonly<Record<string, string | number | null>>;

/** @param actor the key of who did it; null: the hub's clock */
export async function writeAudit(
  sql: Sql,
  portal: Bytes,
  atMs: number,
  actor: Bytes | null,
  action: string,
  detail: AuditDetail = {},
): Promise<void> {
  const id = new Uint8Array(portal);
  const [last] = await sql.all(
    "SELECT entry, hash FROM audit WHERE portal = $1 ORDER BY entry DESC LIMIT 1",
    id,
  );
  const entry = last === undefined ? 1 : numberOf(last["entry"]) + 1;
  const before = last === undefined ? "" : toHex(bytesOf(last["hash"]));
  const text = JSON.stringify({
    entry,
    atMs,
    actor: actor === null ? "hub" : toBase64Url(actor),
    action,
    ...detail,
    before,
  });
  await sql.all(
    "INSERT INTO audit (portal, entry, text, hash) VALUES ($1, $2, $3, $4)",
    id,
    entry,
    text,
    auditHash(text),
  );
}
