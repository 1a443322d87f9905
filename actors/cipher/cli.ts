/**
 * The key verbs: `warp key new`, `warp key show`, `warp key recover`, `warp key devices`. What they do
 * with accounts of portals is in actors/portal/account_io.ts.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { type CommandIo, defineCommand } from "../base/command.ts";
import { fileName } from "../base/command_line.ts";
import { WarpError } from "../base/errors.ts";
import { printableText } from "../base/terminal.ts";
import { DEVICE_NUMBER_MAX } from "../portal/device_number.ts";
import { PASSPHRASE_VARIABLE } from "./passphrase.ts";
import { passphraseFields } from "./passphrase_options.ts";

/** How a new key ring is sealed. */
interface SealingOptions {
  passphraseFile: string | undefined;
  passphraseFd: number | undefined;
  isUnsealed: boolean;
}

const sealingFields = () => ({
  ...passphraseFields("Seal the key ring with the passphrase in FILE, without its last newline"),
  isUnsealed: option("--unsealed", {
    description: message`Ask for no passphrase: whoever reads the key ring has this device's keys.`,
  }),
});

const SEALING_NOTE =
  `The key ring is sealed with a passphrase: from --passphrase-file, ${PASSPHRASE_VARIABLE} or the ` +
  "terminal. Where there is none, it is written unsealed, with a warning.";

interface KeyNewOptions extends SealingOptions {
  output: string | undefined;
  isWords: boolean;
}

export const keyNewCommand = defineCommand<KeyNewOptions>({
  details: [
    "A key file is an age identity file: whatever was encrypted to its recipient can be opened with " +
    "`age -d -i FILE` as well. The key that signs archives is derived from it.",
    "Keep a copy where you keep passports: without the file, nothing encrypted to it can be read " +
    "again. An existing file is never overwritten.",
    "With --words it makes an account of portals instead: 24 words, printed once, and a key ring with " +
    "the keys of this machine, device 1. The words bring the account back, on any machine; the key ring " +
    "does not hold them.",
    SEALING_NOTE,
  ],
  examples: [
    { line: "warp key new", about: "make the default key, ~/.config/warp/key.txt" },
    { line: "warp key new -o backup.key", about: "another one" },
    { line: "warp key new --words", about: "an account, to share portals with" },
  ],
  parser: object("Options", {
    output: optional(option("-o", "--output", fileName("FILE", "file"), {
      description: message`Where to write it; "-" is stdout.`,
    })),
    isWords: option("--words", {
      description: message`Make an account of portals, from 24 words.`,
    }),
    ...sealingFields(),
  }),
  async run({ output, isWords, ...sealing }, io) {
    if (isWords) {
      const { newAccount } = await import("../portal/account_io.ts");
      await newAccount({ ...sealing, ringFile: output }, io);
      return 0;
    }
    const { passphraseFile, passphraseFd, isUnsealed } = sealing;
    if (passphraseFile !== undefined || passphraseFd !== undefined || isUnsealed) {
      throw new WarpError("E_USAGE", "only a key ring is sealed with a passphrase", {
        hint: "a key file is protected by its mode alone; --words makes a key ring",
      });
    }
    const { defaultKeyFile, newKeyFile, writeKeyFile } = await import("./key_file.ts");
    const path = output ?? defaultKeyFile();
    const { text, keys } = await newKeyFile(new Date());
    if (path === "-") {
      io.stdout.write(text);
      return 0;
    }
    writeKeyFile(path, text);
    if (io.options.isJson) io.json({ message_type: "key", file: path, ...keys });
    else {
      io.stdout.write(
        `key file:    ${printableText(path)}\n` +
          `recipient:   ${keys.recipient}\nsigning key: ${keys.signer}\n`,
      );
    }
    return 0;
  },
  stdoutUse: ({ output }) => output === "-" ? "content" : "text",
});

interface KeyRecoverOptions extends SealingOptions {
  wordsFile: string | undefined;
  deviceNumber: number | undefined;
  hub: string | undefined;
  output: string | undefined;
}

export const keyRecoverCommand = defineCommand<KeyRecoverOptions>({
  details: [
    "Makes this machine a device of your account again, or another one. The words come from FILE, from " +
    "the terminal without echo, or from stdin. An existing key ring is never overwritten.",
    "Every machine needs a device number of its own: two with the same number have the same keys, and " +
    "cannot be told apart.",
    SEALING_NOTE,
  ],
  examples: [
    { line: "warp key recover", about: "type the 24 words" },
    {
      line: "warp key recover --hub https://hub.example < words.txt",
      about: "a new machine: the account, its portals and what they hold",
    },
    { line: "warp key recover --device 2 < words.txt", about: "a second machine" },
  ],
  parser: object("Options", {
    wordsFile: optional(option("--words-file", fileName("FILE", "file"), {
      description: message`Read the 24 words from FILE; "-" is stdin.`,
    })),
    hub: optional(option("--hub", string({ metavar: "URL" }), {
      description: message`Enrol the device there, and bring back the account's portals.`,
    })),
    deviceNumber: optional(
      option("--device", integer({ min: 1, max: DEVICE_NUMBER_MAX, metavar: "N" }), {
        description: message`Which device of the account this is; by default a new one, or 1.`,
      }),
    ),
    ...sealingFields(),
    output: optional(option("-o", "--output", fileName("FILE", "file"), {
      description: message`Where to write the key ring.`,
    })),
  }),
  async run({ output, ...options }, io) {
    const { recoverAccount } = await import("../portal/account_io.ts");
    await recoverAccount({ ...options, ringFile: output }, io);
    return 0;
  },
});

interface KeyShowOptions {
  file: string | undefined;
}

export const keyShowCommand = defineCommand<KeyShowOptions>({
  details: [
    "Others encrypt to your recipient (age1…) and check your signatures with your signing key " +
    "(warpsig1…). Both are public. The secret is not shown.",
    "Where there is a key ring, your account (portal1…), which others grant portals to, and the number of " +
    "this device are shown too. That needs no passphrase.",
  ],
  examples: [{ line: "warp key show", about: "what to give to others" }],
  parser: object("Options", {
    file: optional(argument(fileName("FILE", "file"), {
      description: message`A key file, any age identity file or a key ring; by default your own.`,
    })),
  }),
  async run({ file }, io) {
    const { defaultKeyFile } = await import("./key_file.ts");
    const { defaultRingFile, isRing, readRing } = await import("../portal/key_ring_io.ts");
    const ringFile = file ?? defaultRingFile();
    // One that is damaged from its first byte on is not passed over in silence.
    const hasRing = file === undefined ? isThere(ringFile) : isRing(ringFile);
    // An account alone is enough, but what is asked for by name must be there.
    const isKeyFileShown = !hasRing || (file === undefined && isThere(defaultKeyFile()));
    if (isKeyFileShown) await showKeyFile(file ?? defaultKeyFile(), io);
    if (hasRing) {
      const { showRing } = await import("../portal/account_io.ts");
      showRing(readRing(ringFile), io);
    }
    return 0;
  },
});

interface HubKeyOptions {
  hub: string | undefined;
  passphraseFile: string | undefined;
  passphraseFd: number | undefined;
}

const hubKeyFields = () => ({
  hub: optional(option("--hub", string({ metavar: "URL" }), {
    description: message`Which hub, of those logged in to; by default the first.`,
  })),
  ...passphraseFields(),
});

interface KeyDevicesOptions extends HubKeyOptions {
  isAll: boolean;
}

export const keyDevicesCommand = defineCommand<KeyDevicesOptions>({
  details: [
    "Prints this machine's device, and the hubs that it has logged in to. With --all it asks a hub for " +
    "every device of the account.",
  ],
  examples: [
    { line: "warp key devices", about: "which device am I?" },
    { line: "warp key devices --all", about: "which are there?" },
  ],
  parser: object("Options", {
    isAll: option("--all", { description: message`Ask the hub for all devices of the account.` }),
    ...hubKeyFields(),
  }),
  async run({ isAll, ...source }, io) {
    if (isAll) await (await import("../portal/devices_io.ts")).listDevices(source, io);
    else (await import("../portal/account_io.ts")).showDevices(io);
    return 0;
  },
});

interface KeyRetireOptions extends HubKeyOptions {
  number: number;
}

export const keyRetireCommand = defineCommand<KeyRetireOptions>({
  details: [
    "For a device that is lost: the hub lets it in no more, and your portals get new keys, so that it cannot " +
    "read what is put from then on.",
  ],
  examples: [{ line: "warp key retire 1", about: "the old laptop" }],
  parser: object("Options", {
    number: argument(integer({ min: 1, max: DEVICE_NUMBER_MAX, metavar: "N" }), {
      description: message`The device, of ${"warp key devices --all"}.`,
    }),
    ...hubKeyFields(),
  }),
  async run({ number, ...source }, io) {
    await (await import("../portal/devices_io.ts")).retireDevice(number, source, io);
    return 0;
  },
});

async function showKeyFile(path: string, io: CommandIo): Promise<void> {
  const { publicKeysOf, readKeyFile } = await import("./key_file.ts");
  const { identities, isExposed } = readKeyFile(path);
  if (isExposed) warnExposed(path, io);
  for (const identity of identities) {
    const keys = await publicKeysOf(identity);
    if (io.options.isJson) io.json({ message_type: "key", file: path, ...keys });
    else io.stdout.write(`recipient:   ${keys.recipient}\nsigning key: ${keys.signer}\n`);
  }
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function warnExposed(path: string, io: CommandIo): void {
  io.warn(`other users can read the key file: chmod 600 ${printableText(path)}`);
}
