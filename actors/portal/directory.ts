/**
 * What a hub says about an account, checked: the account's key has signed all of it, so that a hub cannot slip
 * in a device of its own.
 *
 * @module
 */
import { type Bytes, equal, toHex } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { signedOf } from "./api_fields.ts";
import type { AnswerOf } from "./api.ts";
import type { HubClient } from "./hub_client.ts";
import { isSignedBy, readRecord, type Verify } from "./records.ts";
import { toBase64Url } from "./base64url.ts";

export interface Device {
  number: number;
  /** Ed25519 */
  key: Bytes;
  /** `age1…` */
  recipient: string;
  isRetired: boolean;
  atMs: number;
}

export interface Account {
  key: Bytes;
  /** `age1…` of the account itself: who has the words opens what is for it. */
  recipient: string;
  devices: Device[];
}

/**
 * @throws {WarpError} E_SIGNATURE when a record is not the account's
 */
export function readAccount(
  answer: AnswerOf<"GET /v1/accounts/{account}">,
  key: Bytes,
  verify: Verify,
): Account {
  const forged = () =>
    new WarpError("E_SIGNATURE", "the hub's records of an account are not signed by it");
  const account = signedOf(answer.account);
  if (!isSignedBy(account, key, verify)) throw forged();
  const { recipient, account: own } = readRecord("account", account);
  if (!equal(own, key)) throw forged();
  const records = answer.devices.map(({ device, retire }) => {
    const signed = signedOf(device);
    if (!isSignedBy(signed, key, verify)) throw forged();
    const record = readRecord("device", signed);
    if (!equal(record.account, key)) throw forged();
    return { record, retire: retire === null ? null : signedOf(retire) };
  });
  const signers = [key, ...records.map(({ record }) => record.device)];
  const devices = records.map(({ record, retire }) => {
    if (retire !== null) {
      const what = readRecord("retire", retire);
      const isTheirs = equal(what.account, key) && what.number === record.number &&
        signers.some((signer) => isSignedBy(retire, signer, verify));
      if (!isTheirs) throw forged();
    }
    return {
      number: record.number,
      key: record.device,
      recipient: record.recipient,
      isRetired: retire !== null,
      atMs: record.atMs,
    };
  });
  return { key: new Uint8Array(key), recipient, devices };
}

/** To whom keys for an account are wrapped: itself, and the devices that it uses. */
export function recipientsOf({ recipient, devices }: Account): string[] {
  return [recipient, ...devices.filter((one) => !one.isRetired).map((one) => one.recipient)];
}

/** Whether a signature could be the account's: by itself, or by any device it has had. */
export function isKeyOf({ key, devices }: Account, signer: Bytes): boolean {
  return equal(key, signer) || devices.some((device) => equal(device.key, signer));
}

/** Accounts of one hub, each asked for once. */
export class Directory {
  readonly #client: HubClient;
  readonly #verify: Verify;
  readonly #known = new Map<string, Promise<Account>>();

  constructor(client: HubClient, verify: Verify) {
    this.#client = client;
    this.#verify = verify;
  }

  /** @throws {WarpError} E_NOT_FOUND, E_SIGNATURE, E_NETWORK */
  find(account: Bytes): Promise<Account> {
    const name = toHex(account);
    let found = this.#known.get(name);
    if (found === undefined) {
      found = this.#client.call("GET /v1/accounts/{account}", { account: toBase64Url(account) })
        .then((answer) => readAccount(answer, account, this.#verify));
      this.#known.set(name, found);
    }
    return found;
  }
}
