/**
 * Receipts: both ends of a transfer sign what was moved (docs/protocol.md §7). Anybody who has the two
 * public keys can check one, offline, at any time.
 *
 * @module
 */
import { encode } from "@std/msgpack";
import { concat, fromHex, toHex, utf8 } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { formatSigner, parseSigner } from "../cipher/public_keys.ts";
import { verifySignature } from "../cipher/signature.ts";

const LABEL = utf8("warp/transfer/receipt/v1\0");

/** What is signed. */
export interface Delivery {
  transferId: Uint8Array;
  /** See {@link file://./manifest.ts}. */
  root: Uint8Array;
  files: number;
  bytes: number;
  /** Seconds since the epoch, by the receiver's clock. */
  time: number;
  sender: Uint8Array;
  receiver: Uint8Array;
}

export interface Receipt extends Delivery {
  senderSignature: Uint8Array;
  receiverSignature: Uint8Array;
}

/** The bytes that both sign. */
export function receiptMessage(delivery: Delivery): Uint8Array<ArrayBuffer> {
  const { transferId, root, files, bytes, time, sender, receiver } = delivery;
  return concat(LABEL, encode([transferId, root, files, bytes, time, sender, receiver]));
}

/** A line of JSON, as receipts are kept. */
export function formatReceipt(receipt: Receipt): string {
  return JSON.stringify(
    {
      type: "warp-receipt/1",
      transfer: toHex(receipt.transferId),
      root: toHex(receipt.root),
      files: receipt.files,
      bytes: receipt.bytes,
      time: new Date(receipt.time * 1000).toISOString(),
      sender: formatSigner(receipt.sender),
      receiver: formatSigner(receipt.receiver),
      sender_signature: toHex(receipt.senderSignature),
      receiver_signature: toHex(receipt.receiverSignature),
    },
    null,
    2,
  ) + "\n";
}

/** @throws {WarpError} E_INTEGRITY for what is no receipt, E_SIGNATURE for a signature that is wrong */
export function parseReceipt(text: string): Receipt {
  const receipt = readReceipt(text);
  const message = receiptMessage(receipt);
  for (
    const [who, key, signature] of [
      ["sender", receipt.sender, receipt.senderSignature],
      ["receiver", receipt.receiver, receipt.receiverSignature],
    ] as const
  ) {
    if (verifySignature(key, message, signature)) continue;
    throw new WarpError("E_SIGNATURE", `the ${who}'s signature on the receipt is wrong`);
  }
  return receipt;
}

function readReceipt(text: string): Receipt {
  try {
    const value = JSON.parse(text);
    if (value.type !== "warp-receipt/1") throw notAReceipt();
    const time = Date.parse(value.time) / 1000;
    if (![time, value.files, value.bytes].every((n) => Number.isSafeInteger(n) && n >= 0)) {
      throw notAReceipt();
    }
    return {
      transferId: hex(value.transfer, 16),
      root: hex(value.root, 32),
      files: value.files,
      bytes: value.bytes,
      time,
      sender: parseSigner(String(value.sender)),
      receiver: parseSigner(String(value.receiver)),
      senderSignature: hex(value.sender_signature, 64),
      receiverSignature: hex(value.receiver_signature, 64),
    };
  } catch (cause) {
    throw new WarpError("E_INTEGRITY", "this is not a receipt", { cause });
  }
}

function hex(value: unknown, length: number): Uint8Array<ArrayBuffer> {
  if (typeof value !== "string" || !/^[0-9a-f]*$/.test(value) || value.length !== 2 * length) {
    throw notAReceipt();
  }
  return fromHex(value);
}

function notAReceipt(): WarpError {
  return new WarpError("E_INTEGRITY", "this is not a receipt");
}
