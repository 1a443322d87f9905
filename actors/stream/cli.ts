/**
 * The stream verbs: `warp stream encrypt`, `warp stream decrypt`. What they do is in commands.ts.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { integer, type ValueParser } from "@optique/core/valueparser";
import { parseCompression } from "../archive/cli.ts";
import type { CompressionChoice } from "../archive/options.ts";
import { defineCommand } from "../base/command.ts";
import { fileName, parsedBy } from "../base/command_line.ts";
import { WarpError } from "../base/errors.ts";
import { KiB, MiB, parseBytes } from "../base/units.ts";
import { isPassphraseAtHand, PASSPHRASE_VARIABLE } from "../cipher/passphrase.ts";
import { isAgeRecipient } from "../cipher/public_keys.ts";
import type { OpenOptions, SealOptions } from "./options.ts";

const DESCRIPTOR_MAX = 1 << 20;
const FRAME_SIZES = [64 * KiB, 256 * KiB, MiB];
const INTERVAL_MS_MAX = 60_000;

const passphraseFields = () => ({
  passphraseFile: optional(option("--passphrase-file", fileName("FILE", "file"), {
    description: message`Read the passphrase from FILE, without its last newline.`,
  })),
  passphraseFd: optional(
    option("--passphrase-fd", integer({ min: 1, max: DESCRIPTOR_MAX, metavar: "N" }), {
      description: message`Read the passphrase from an open file descriptor.`,
    }),
  ),
});

interface ParsedPassphrase {
  passphraseFile: string | undefined;
  passphraseFd: number | undefined;
}

function checkPassphrase({ passphraseFile, passphraseFd }: ParsedPassphrase): void {
  if (passphraseFile !== undefined && passphraseFd !== undefined) {
    throw new WarpError("E_USAGE", "--passphrase-file and --passphrase-fd exclude each other");
  }
}

export const streamEncryptCommand = () =>
  defineCommand<Omit<SealOptions, "isPassphraseWanted">>({
    details: [
      "Standard input is sealed frame by frame as it comes, for as long as it comes, in memory that " +
      "does not grow. Whatever is changed, lost, repeated or cut off on the way is an error at the " +
      "other end.",
      `A key must be named: a key file, recipients, a passphrase, or ${PASSPHRASE_VARIABLE}.`,
      "Compression shows in the length of frames, and so tells something about their content.",
    ],
    examples: [
      {
        line: "tar c photos | warp stream encrypt --key-file my.key > photos.tar.wrps",
        about: "to yourself",
      },
      {
        line:
          "pg_dump db | warp stream encrypt -r age1… --compress zstd | ssh host 'cat > db.wrps'",
        about: "to somebody else, compressed",
      },
    ],
    parser: object("Options", {
      keyFiles: multiple(option("--key-file", fileName("FILE", "file"), {
        description: message`Encrypt to the owner of this key file. May be repeated.`,
      })),
      recipients: multiple(option("-r", "--recipient", recipient(), {
        description: message`Encrypt to an age recipient. May be repeated.`,
      })),
      ...passphraseFields(),
      frameBytes: withDefault(
        option("--chunk", frameSize(), { description: message`Frame size: 64K, 256K or 1M.` }),
        FRAME_SIZES[0]!,
      ),
      intervalMs: optional(option("--interval", interval(), {
        description: message`Let a frame wait so long to be filled, such as 10ms; by default it does
          not.`,
      })),
      compression: withDefault(
        option("--compress", compression(), {
          description: message`none (the default), auto, lz4, zstd, or zstd:1 to zstd:22.`,
        }),
        { mode: "none" } as const,
      ),
    }),
    stdoutUse: () => "archive",
    async run(parsed, io) {
      checkPassphrase(parsed);
      const isNamed = parsed.passphraseFile !== undefined || parsed.passphraseFd !== undefined;
      const hasOther = parsed.keyFiles.length > 0 || parsed.recipients.length > 0;
      // The environment is weaker than the line: named recipients mean exactly these recipients.
      const isPassphraseWanted = isNamed || (!hasOther && isPassphraseAtHand({}));
      if (!isPassphraseWanted && !hasOther) {
        throw new WarpError("E_USAGE", "no key is named to encrypt with", {
          hint: "pass --key-file FILE, --recipient age1… or --passphrase-file FILE",
        });
      }
      if (io.stdout.isTerminal) {
        throw new WarpError("E_USAGE", "a stream would only fill the terminal with garbage", {
          hint: "redirect stdout, or pipe it to another program",
        });
      }
      const { sealStream } = await import("./commands.ts");
      return await sealStream({ ...parsed, isPassphraseWanted }, io);
    },
  });

export const streamDecryptCommand = () =>
  defineCommand<OpenOptions & { keyFiles: readonly string[] }>({
    details: [
      "Nothing is written that was not checked first. When the stream turns out to be damaged or cut " +
      "off, what was written until then is the beginning of what was sent, and the exit code says so.",
      "Without a key option your own key file is used, where there is one.",
    ],
    examples: [
      {
        line: "warp stream decrypt --key-file my.key < photos.tar.wrps | tar x",
        about: "the way back",
      },
    ],
    parser: object("Options", {
      keyFiles: multiple(option("--key-file", fileName("FILE", "file"), {
        description: message`The same as --identity.`,
      })),
      identityFiles: multiple(option("-i", "--identity", fileName("FILE", "file"), {
        description: message`A warp key file or age identity file. May be repeated.`,
      })),
      ...passphraseFields(),
    }),
    stdoutUse: () => "content",
    async run({ keyFiles, ...parsed }, io) {
      checkPassphrase(parsed);
      const { openStream } = await import("./commands.ts");
      const identityFiles = [...keyFiles, ...parsed.identityFiles];
      return await openStream({ ...parsed, identityFiles }, io);
    },
  });

// --- values

function frameSize(): ValueParser<"sync", number> {
  const parse = (text: string) => {
    const bytes = parseBytes(text);
    if (FRAME_SIZES.includes(bytes)) return bytes;
    throw new WarpError("E_USAGE", `"${text}" is not a frame size`, { hint: "64K, 256K or 1M" });
  };
  const format = (bytes: number) => bytes === MiB ? "1M" : `${bytes / KiB}K`;
  return parsedBy("SIZE", parse, format, FRAME_SIZES[0]!, FRAME_SIZES.map(format));
}

/** `10ms` or `1s`. */
export function parseInterval(text: string): number {
  const match = /^(\d{1,6})(ms|s)$/.exec(text);
  const ms = match === null ? 0 : Number(match[1]) * (match[2] === "s" ? 1000 : 1);
  if (ms >= 1 && ms <= INTERVAL_MS_MAX) return ms;
  throw new WarpError("E_USAGE", `"${text}" is not an interval`, { hint: "1ms to 60s" });
}

function interval(): ValueParser<"sync", number> {
  return parsedBy("SIZE", parseInterval, (ms) => `${ms}ms`, 10, ["10ms", "100ms"]);
}

function recipient(): ValueParser<"sync", string> {
  const parse = (text: string) => {
    if (isAgeRecipient(text)) return text;
    throw new WarpError("E_USAGE", `"${text.slice(0, 80)}" is not an age recipient`, {
      hint: "it looks like age1…; `warp key show` prints yours",
    });
  };
  return parsedBy("RECIPIENT", parse, (text) => text, "");
}

function compression(): ValueParser<"sync", CompressionChoice> {
  const format = (choice: CompressionChoice) =>
    choice.mode === "zstd" ? `zstd:${choice.level}` : choice.mode;
  const suggestions = ["none", "auto", "lz4", "zstd"];
  return parsedBy<CompressionChoice>(
    "CODEC",
    parseCompression,
    format,
    { mode: "none" },
    suggestions,
  );
}
