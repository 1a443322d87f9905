/**
 * What the key verbs do with accounts: make one, bring one back from its words, show its ring, open it.
 *
 * @module
 */
import type { CommandIo } from "../base/command.ts";
import { fromSystemError, WarpError } from "../base/errors.ts";
import { printableText } from "../base/terminal.ts";
import { type PassphraseSource, readPassphrase } from "../cipher/passphrase.ts";
import { formatAccount } from "./account_id.ts";
import { AccountSecrets } from "./account_keys.ts";
import { toBase64Url } from "./base64url.ts";
import { bringIn, loginAsAccount, nextDeviceNumber } from "./devices_io.ts";
import { parseHubAddress } from "./hub_logins.ts";
import { RING_PROMPT, warnExposed } from "./open_ring_io.ts";
import { tell } from "./print.ts";
import { type KeyRing, newKeyRing, type PublicRing } from "./key_ring.ts";
import {
  checkNoRing,
  createRing,
  defaultRingFile,
  readHubLogins,
  readRing,
  type StoredRing,
} from "./key_ring_io.ts";
import { ENTROPY_BYTES, WORDS_BYTES_MAX, wordsOfEntropy } from "./words.ts";

const WORDS_A_LINE = 6;

/** How a new ring is sealed, and where it goes. */
export interface NewRingOptions extends PassphraseSource {
  /** No passphrase is asked for, nor taken from the environment. */
  isUnsealed: boolean;
  /** Undefined: the default ring. */
  ringFile: string | undefined;
}

export interface RecoverOptions extends NewRingOptions {
  /** `-` is stdin; undefined: asked for on a terminal, else stdin. */
  wordsFile: string | undefined;
  /** Undefined: the next one that the hub does not know, or 1 without a hub. */
  deviceNumber: number | undefined;
  /** Address of a hub: the account's portals come back with the device. */
  hub: string | undefined;
}

/**
 * Makes an account: prints its words on stdout, once, then writes the ring of device 1.
 *
 * @throws {WarpError} E_EXISTS before any word is printed
 */
export async function newAccount(options: NewRingOptions, io: CommandIo): Promise<void> {
  const path = newRingPath(options);
  const entropy = crypto.getRandomValues(new Uint8Array(ENTROPY_BYTES));
  const words = wordsOfEntropy(entropy);
  const secrets = await AccountSecrets.fromEntropy(entropy);
  entropy.fill(0);
  // The words come first: without them the ring would be an account that nobody can bring back.
  const ring = await writeRing(path, secrets, 1, options, io, (made) => {
    if (io.options.isJson) return io.json({ ...ringRecord(path, made), words });
    io.note(
      "These words are the account. Write them down, in this order; they are not shown again.",
    );
    io.stdout.write(inLines(words));
  }).finally(() => secrets.wipe());
  for (const line of ringLines(path, ring)) io.note(line);
}

/** Makes the ring of one device from the account's words. */
export async function recoverAccount(options: RecoverOptions, io: CommandIo): Promise<void> {
  const path = newRingPath(options);
  const hub = options.hub === undefined ? undefined : parseHubAddress(options.hub);
  const secrets = await AccountSecrets.fromWords(await readWords(options, io));
  try {
    const at = hub === undefined ? undefined : await loginAsAccount(secrets, hub, io);
    const number = options.deviceNumber ?? (at === undefined ? 1 : await nextDeviceNumber(at));
    const ring = await writeRing(path, secrets, number, options, io);
    const recovered = at === undefined ? undefined : await bringIn(at, ring);
    if (recovered !== undefined && recovered.left > 0) {
      io.warn(`${recovered.left} portals are granted to groups of others, who must add you anew`);
    }
    const { portals } = recovered ?? { portals: undefined };
    tell(io, { ...ringRecord(path, ring), ...(portals === undefined ? {} : { portals }) }, [
      ...ringLines(path, ring),
      ...(portals === undefined ? [] : [`portals:     ${portals}`]),
    ]);
  } finally {
    secrets.wipe();
  }
}

/**
 * Seals and stores the ring of a device. What comes back is public.
 *
 * @param beforehand runs when nothing stands in the way any more
 */
async function writeRing(
  path: string,
  secrets: AccountSecrets,
  deviceNumber: number,
  options: NewRingOptions,
  io: CommandIo,
  beforehand: (ring: PublicRing) => void = () => {},
): Promise<PublicRing> {
  let passphrase: Uint8Array | undefined;
  let ring: KeyRing | undefined;
  try {
    passphrase = await newPassphrase(options, io);
    const made = ring = await newKeyRing(secrets, deviceNumber, Date.now());
    await createRing(path, made, { passphrase, beforehand: () => beforehand(made) });
    if (passphrase === undefined) {
      io.warn("the key ring is not sealed: whoever reads the file has the keys of this device");
    }
    const { keys: _, ...about } = made;
    return about;
  } finally {
    passphrase?.fill(0);
    ring?.keys.wipe();
  }
}

async function newPassphrase(
  options: NewRingOptions,
  io: CommandIo,
): Promise<Uint8Array | undefined> {
  const { isUnsealed, passphraseFile, passphraseFd } = options;
  if (!isUnsealed) return await readPassphrase(options, io, { isNew: true, prompt: RING_PROMPT });
  if (passphraseFile === undefined && passphraseFd === undefined) return undefined;
  throw new WarpError("E_USAGE", "--unsealed leaves no use for a passphrase");
}

/** Prints what is public of a ring. */
export function showRing(ring: StoredRing, io: CommandIo): void {
  warnExposed(ring, io);
  const { path, about, isSealed } = ring;
  if (io.options.isJson) io.json({ ...ringRecord(path, about), sealed: isSealed });
  else {
    const { account, deviceNumber } = about;
    const sealing = isSealed ? "sealed" : "not sealed";
    io.stdout.write(
      `account:     ${formatAccount(account)}\ndevice:      ${deviceNumber}, ${sealing}\n`,
    );
  }
}

/** Prints this device, and the hubs it has logged in to. Asks no hub. */
export function showDevices(io: CommandIo): void {
  const ring = readRing();
  const { account, deviceNumber, device, deviceRecipient } = ring.about;
  const { hubs, default: chosen } = readHubLogins();
  if (io.options.isJson) {
    io.json({
      message_type: "device",
      account: formatAccount(account),
      number: deviceNumber,
      key: toBase64Url(device),
      recipient: deviceRecipient,
      this_one: true,
    });
    for (const { url, hubKey } of hubs) {
      io.json({ message_type: "hub", url, key: toBase64Url(hubKey), default: url === chosen });
    }
    return;
  }
  io.stdout.write(`device ${deviceNumber}, this one: ${deviceRecipient}\n`);
  for (const { url } of hubs) {
    io.stdout.write(`hub: ${printableText(url)}${url === chosen ? " (default)" : ""}\n`);
  }
}

/** @throws {WarpError} E_EXISTS, E_USAGE */
function newRingPath({ ringFile }: NewRingOptions): string {
  if (ringFile === "-") {
    throw new WarpError("E_USAGE", "a key ring cannot go to stdout", { hint: "name a file" });
  }
  const path = ringFile ?? defaultRingFile();
  checkNoRing(path);
  return path;
}

function ringRecord(path: string, ring: PublicRing) {
  return {
    message_type: "account",
    file: path,
    account: formatAccount(ring.account),
    recipient: ring.accountRecipient,
    device: ring.deviceNumber,
    device_key: toBase64Url(ring.device),
    device_recipient: ring.deviceRecipient,
  };
}

function ringLines(path: string, ring: PublicRing): string[] {
  return [
    `key ring:    ${printableText(path)}`,
    `account:     ${formatAccount(ring.account)}`,
    `device:      ${ring.deviceNumber}`,
  ];
}

function inLines(words: string): string {
  const list = words.split(" ");
  let text = "";
  for (let at = 0; at < list.length; at += WORDS_A_LINE) {
    text += list.slice(at, at + WORDS_A_LINE).join(" ") + "\n";
  }
  return text;
}

/** The words as they were typed or stored. */
async function readWords(
  { wordsFile, passphraseFd }: RecoverOptions,
  io: CommandIo,
): Promise<string> {
  let raw: Uint8Array | undefined;
  if (wordsFile === undefined && Deno.stdin.isTerminal()) {
    raw = await io.readSecret("24 words: ");
    // Not from stdin then: the terminal would show them.
    if (raw === undefined) {
      throw new WarpError("E_KEY_NEEDED", "the words cannot be asked for here without echo", {
        hint: "pass --words-file FILE",
      });
    }
  } else if (wordsFile !== undefined && wordsFile !== "-") raw = readWordsFile(wordsFile);
  else if (passphraseFd === 0) {
    throw new WarpError("E_USAGE", "words and passphrase cannot both come from stdin");
  }
  raw ??= readBounded(Deno.stdin);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(raw);
  } catch {
    throw new WarpError("E_USAGE", "the words are not UTF-8 text", {
      hint: "is it the right file?",
    });
  } finally {
    raw.fill(0);
  }
}

function readWordsFile(path: string): Uint8Array {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (cause) {
    const known = fromSystemError(cause);
    if (known === undefined) throw cause;
    throw new WarpError(known.code, `the words cannot be read: ${path}`, { cause });
  }
  try {
    return readBounded(file);
  } finally {
    file.close();
  }
}

/** One byte more than words may have, at most: a longer text is seen to be longer. */
function readBounded(reader: { readSync(buffer: Uint8Array): number | null }): Uint8Array {
  const buffer = new Uint8Array(WORDS_BYTES_MAX + 1);
  let length = 0;
  while (length < buffer.length) {
    let count: number | null;
    try {
      count = reader.readSync(buffer.subarray(length));
    } catch (cause) {
      // A directory, say.
      throw new WarpError("E_IO", "the words cannot be read", { cause });
    }
    if (count === null || count === 0) break;
    length += count;
  }
  const content = buffer.slice(0, length);
  buffer.fill(0);
  return content;
}
