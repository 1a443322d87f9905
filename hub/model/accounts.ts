/**
 * Accounts and their devices.
 *
 * @module
 */
import { type Bytes, constantTimeEqual, utf8 } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import type { Signed } from "../../actors/portal/records.ts";
import { isSmallOrder } from "../../actors/cipher/public_keys.ts";
import { bytesOf, type Hub, numberOf, type Sql } from "../hub.ts";
import { openSigned, requireSame } from "./signed.ts";

export const DEVICES_MAX = 256;

/**
 * Enrols an account with a device. Doing it again changes nothing.
 *
 * @throws {WarpError} E_ACCESS (no invite), E_SIGNATURE, E_PROTOCOL, E_EXISTS
 */
export async function enrolAccount(
  hub: Hub,
  account: Signed & { key: Bytes },
  device: Signed,
  invite: string | undefined,
): Promise<void> {
  const record = openSigned("account", account, account.key);
  requireSame("account", record.account, account.key);
  if (isSmallOrder(record.account)) throw new WarpError("E_PROTOCOL", "the key protects nothing");
  const isInvited = hub.isOpen ||
    (invite !== undefined && constantTimeEqual(utf8(invite), utf8(hub.secrets.invite)));
  const nowMs = hub.clock.nowMs();
  await hub.db.transaction(async (sql) => {
    const key = new Uint8Array(record.account);
    const [known] = await sql.all("SELECT account FROM accounts WHERE account = $1", key);
    if (known === undefined) {
      if (!isInvited) {
        throw new WarpError("E_ACCESS", "this hub takes new accounts by invitation", {
          hint: "`warp hub serve` prints an invite: warp hub login 'URL#KEY.INVITE'",
        });
      }
      await sql.all(
        "INSERT INTO accounts (account, record, signature, created_ms) VALUES ($1, $2, $3, $4)",
        key,
        account.bytes,
        account.signature,
        nowMs,
      );
    }
    await addDevice(sql, device, key);
  });
}

/** @throws {WarpError} E_NOT_FOUND, E_SIGNATURE, E_PROTOCOL, E_EXISTS */
export async function enrolDevice(hub: Hub, device: Signed, account: Bytes): Promise<void> {
  await hub.db.transaction(async (sql) => {
    const key = new Uint8Array(account);
    const [known] = await sql.all("SELECT account FROM accounts WHERE account = $1", key);
    if (known === undefined) throw new WarpError("E_NOT_FOUND", "the account is not enrolled here");
    await addDevice(sql, device, key);
  });
}

async function addDevice(
  sql: Sql,
  signed: Signed,
  account: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const record = openSigned("device", signed, account);
  requireSame("account", record.account, account);
  if (isSmallOrder(record.device)) throw new WarpError("E_PROTOCOL", "the key protects nothing");
  const device = new Uint8Array(record.device);
  const rows = await sql.all(
    "SELECT device, account, number FROM devices WHERE device = $1 OR account = $2",
    device,
    account,
  );
  const same = rows.find((row) => bytesOf(row["device"]).every((byte, i) => byte === device[i]));
  if (same !== undefined) {
    requireSame("account", bytesOf(same["account"]), account);
    if (numberOf(same["number"]) === record.number) return;
    throw new WarpError("E_EXISTS", "the device has another number already");
  }
  if (rows.some((row) => numberOf(row["number"]) === record.number)) {
    throw new WarpError("E_EXISTS", `there is a device ${record.number} already`, {
      hint: "each device has a number of its own: --device N",
    });
  }
  if (rows.length >= DEVICES_MAX) {
    throw new WarpError("E_LIMIT", "the account has too many devices");
  }
  await sql.all(
    `INSERT INTO devices (device, account, number, record, signature) VALUES ($1, $2, $3, $4, $5)`,
    device,
    account,
    record.number,
    signed.bytes,
    signed.signature,
  );
}

/**
 * Retires a device: its tokens die now. Signed by the account's key, or by another device of it.
 *
 * @throws {WarpError} E_NOT_FOUND, E_SIGNATURE, E_PROTOCOL
 */
export async function retireDevice(
  hub: Hub,
  account: Uint8Array<ArrayBuffer>,
  signed: Signed,
  key: Bytes,
): Promise<void> {
  const record = openSigned("retire", signed, key);
  requireSame("account", record.account, account);
  await hub.db.transaction(async (sql) => {
    const [row] = await sql.all(
      `UPDATE devices SET retired_ms = $1, retire_record = $2, retire_signature = $3
       WHERE account = $4 AND number = $5 AND retired_ms IS NULL RETURNING device`,
      hub.clock.nowMs(),
      signed.bytes,
      signed.signature,
      account,
      record.number,
    );
    if (row === undefined) throw new WarpError("E_NOT_FOUND", "there is no such device in use");
    await sql.all("DELETE FROM tokens WHERE key = $1", bytesOf(row["device"]));
  });
}
