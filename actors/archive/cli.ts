/**
 * The archive verbs: what each accepts, checked and turned into {@link ArchiveCommands}. The work is
 * in commands.ts, which is loaded when a command really runs.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { integer, type ValueParser } from "@optique/core/valueparser";
import { type CommandIo, defineCommand } from "../base/command.ts";
import { byteSize, fileName, parsedBy } from "../base/command_line.ts";
import { WarpError } from "../base/errors.ts";
import { MiB } from "../base/units.ts";
import { isPassphraseAtHand, PASSPHRASE_VARIABLE } from "../cipher/passphrase.ts";
import { passphraseFields } from "../cipher/passphrase_options.ts";
import { formatSigner, isAgeRecipient, parseSigner } from "../cipher/public_keys.ts";
import { chunkSizes } from "../chunker/chunk_sizes.ts";
import type {
  ArchiveCommandName,
  ArchiveCommands,
  CompressionChoice,
  CreateOptions,
  KeyOptions,
  OpenOptions,
} from "./options.ts";

const JOBS_MAX = 1024;

/** Below this a single largest chunk and its neighbours would not fit. */
const MEMORY_MIN = 16 * MiB;

async function run<Name extends ArchiveCommandName>(
  name: Name,
  options: ArchiveCommands[Name],
  io: CommandIo,
): Promise<number> {
  const { runArchiveCommand } = await import("./commands.ts");
  return await runArchiveCommand(name, options, io);
}

const keyFields = () => ({
  ...passphraseFields("Read the passphrase from FILE, without its last newline"),
  identityFiles: multiple(option("-i", "--identity", fileName("FILE", "file"), {
    description: message`A warp key file or age identity file. May be repeated.`,
  })),
});

const resourceFields = () => ({
  memoryBytes: optional(option("--memory", byteSize(MEMORY_MIN), {
    description: message`Use at most this much memory for buffers, such as 256MiB.`,
  })),
  jobs: optional(option("-j", "--jobs", integer({ min: 1, max: JOBS_MAX, metavar: "N" }), {
    description: message`Number of workers; by default one per core.`,
  })),
});

const bases = () =>
  multiple(option("--base", fileName("ARCHIVE", "file", ["warp"]), {
    description: message`An older archive that holds chunks of this one. May be repeated.`,
  }));

const excludes = () =>
  multiple(option("--exclude", glob(), {
    description:
      message`Leave out what matches GLOB, such as '*.o' or 'cache/**'. May be repeated.`,
  }));

interface ParsedKeys {
  passphraseFile: string | undefined;
  passphraseFd: number | undefined;
  identityFiles: readonly string[];
}

/** Groups the key fields, and refuses combinations that cannot work. */
function withKeys<Parsed extends ParsedKeys>(
  parsed: Parsed,
  input: string | undefined,
): Omit<Parsed, keyof ParsedKeys> & { keys: KeyOptions } {
  const { passphraseFile, passphraseFd, identityFiles, ...rest } = parsed;
  if (passphraseFile !== undefined && passphraseFd !== undefined) {
    throw new WarpError("E_USAGE", "--passphrase-file and --passphrase-fd exclude each other");
  }
  if (passphraseFd === 0 && input === "-") {
    throw new WarpError("E_USAGE", "stdin cannot carry both the archive and the passphrase", {
      hint: "use another descriptor: --passphrase-fd 3 3<FILE",
    });
  }
  return { ...rest, keys: { passphraseFile, passphraseFd, identityFiles } };
}

// --- create

const createFields = () => ({
  output: option("-o", "--output", fileName("OUT", "file", ["warp"]), {
    description: message`The archive to write; "-" is stdout.`,
  }),
  sources: multiple(
    argument(fileName("SRC", "any"), { description: message`Files and directories to store.` }),
    { min: 1, errors: { tooFew: message`No file or directory to store is given.` } },
  ),
  isEncrypted: option("-e", "--encrypt", {
    description: message`Encrypt with a passphrase, asked for on the terminal.`,
  }),
  recipients: multiple(option("-r", "--recipient", recipient(), {
    description: message`Encrypt to an age recipient. May be repeated.`,
  })),
  compression: withDefault(
    option("--compress", compression(), {
      description: message`auto (the default), none, lz4, zstd, or zstd:1 to zstd:22.`,
    }),
    { mode: "auto" } as const,
  ),
  chunkSizeAvg: optional(option("--chunk-size", chunkSize(), {
    description: message`Average chunk size, a power of two from 256 to 16MiB.`,
  })),
  excludes: excludes(),
  signKeyFile: optional(option("--sign", fileName("FILE", "file"), {
    description: message`Sign the archive with this warp key file.`,
  })),
  isResume: option("--resume", {
    description: message`Go on where an interrupted run stopped.`,
  }),
  bases: bases(),
  isForce: option("-f", "--force", { description: message`Replace an existing archive.` }),
});

interface ParsedCreate extends ParsedKeys, Omit<CreateOptions, "keys" | "isPassphraseWanted"> {
  isEncrypted: boolean;
}

function createOptions(parsed: ParsedCreate): CreateOptions {
  const { isEncrypted, ...fields } = parsed;
  const grouped = withKeys(fields, undefined);
  if (grouped.output === "-" && grouped.isResume) {
    throw new WarpError("E_USAGE", "an archive on stdout cannot be resumed", {
      hint: "write to a file with -o FILE",
    });
  }
  // The environment is weaker than the line: named recipients mean exactly these recipients.
  const isNamed = grouped.keys.passphraseFile !== undefined ||
    grouped.keys.passphraseFd !== undefined;
  const isFromEnvironment = grouped.recipients.length === 0 && isPassphraseAtHand({});
  return { ...grouped, isPassphraseWanted: isEncrypted || isNamed || isFromEnvironment };
}

export const createCommand = () =>
  defineCommand<ParsedCreate>({
    details: [
      `Without a recipient and a passphrase the archive is not encrypted. A set ${PASSPHRASE_VARIABLE} ` +
      "encrypts, unless recipients are named.",
      "The archive is written in one pass, to a file or a pipe. What an interrupted run leaves can be " +
      "continued with --resume.",
    ],
    examples: [
      { line: "warp create photos -o photos.warp", about: "pack a directory" },
      {
        line: "warp create photos -o - --recipient age1… | ssh host 'cat > photos.warp'",
        about: "encrypted, to another machine",
      },
    ],
    parser: merge(
      object("Options", createFields()),
      object("Key options", keyFields()),
      resources(),
    ),
    stdoutUse: ({ output }) => output === "-" ? "archive" : "text",
    run(parsed, io) {
      const options = createOptions(parsed);
      if (options.output === "-" && io.stdout.isTerminal && !options.isForce) {
        throw new WarpError("E_USAGE", "an archive would only fill the terminal with garbage", {
          hint: "redirect stdout, or name a file with -o FILE",
        });
      }
      return run("create", options, io);
    },
  });

// --- readers

const archive = () =>
  argument(fileName("ARCHIVE", "file", ["warp"]), {
    description: message`The archive to read; "-" is stdin.`,
  });

function resources() {
  return object("Resource options", resourceFields());
}

function readerOptions() {
  return merge(object("Key options", { ...keyFields(), bases: bases() }), resources());
}

function members(about: "extract" | "list") {
  const description = about === "extract"
    ? message`Members to extract; by default all.`
    : message`Members or directories to list; by default all.`;
  return multiple(argument(fileName("PATH", "any"), { description }));
}

type Parsed<Options extends OpenOptions> = Omit<Options, "keys"> & ParsedKeys;

export const extractCommand = () =>
  defineCommand<Parsed<ArchiveCommands["extract"]>>({
    details: [
      "No member is ever written outside DIR, and nothing is overwritten without --force.",
      "With --salvage every file that is still whole is recovered from a damaged or cut archive.",
    ],
    examples: [
      { line: "warp extract photos.warp -C restored", about: "everything" },
      { line: "warp extract photos.warp -C restored photos/2024", about: "one directory of it" },
    ],
    parser: merge(
      object("Options", {
        archive: archive(),
        paths: members("extract"),
        directory: withDefault(
          option("-C", "--directory", fileName("DIR", "directory"), {
            description: message`Where to write, by default here; made if it is missing.`,
          }),
          ".",
        ),
        isSalvage: option("--salvage", {
          description: message`Recover what is whole, skip the rest.`,
        }),
        isForce: option("-f", "--force", { description: message`Replace existing files.` }),
        isOwnerKept: map(
          object({
            yes: option("--owner", { description: message`Restore owner and group.` }),
            no: option("--no-owner", {
              description: message`Do not, even as root, where it is the default.`,
            }),
          }),
          ({ yes, no }) => yes ? true : no ? false : undefined,
        ),
        isSetidKept: option("--setid", {
          description: message`Restore setuid, setgid and sticky bits.`,
        }),
      }),
      readerOptions(),
    ),
    run: (parsed, io) => run("extract", withKeys(parsed, parsed.archive), io),
  });

export const listCommand = () =>
  defineCommand<Parsed<ArchiveCommands["list"]>>({
    examples: [{ line: "warp list -l photos.warp photos/2024", about: "sizes and times as well" }],
    parser: merge(
      object("Options", {
        archive: archive(),
        paths: members("list"),
        isLong: option("-l", "--long", { description: message`Show mode, owner, size and time.` }),
        isNulTerminated: option("-0", "--null", {
          description: message`End names with NUL instead of a newline, and do not escape them.`,
        }),
      }),
      readerOptions(),
    ),
    run: (parsed, io) => run("list", withKeys(parsed, parsed.archive), io),
  });

export const verifyCommand = () =>
  defineCommand<
    Omit<Parsed<ArchiveCommands["verify"]>, "archive"> & {
      archive: string | undefined;
      receiptFile: string | undefined;
    }
  >({
    details: [
      "No key is needed to check that every stored byte is as it was written. With a key the content " +
      "is checked as well.",
    ],
    examples: [
      { line: "warp verify photos.warp", about: "every byte, without a key" },
      { line: "warp verify photos.warp --signer warpsig1…", about: "and who wrote it" },
      {
        line: "warp verify --receipt photos.json photos",
        about: "who delivered what to whom, and that it is still the same",
      },
    ],
    parser: merge(
      object("Options", {
        archive: optional(archive()),
        receiptFile: optional(option("--receipt", fileName("FILE", "file"), {
          description:
            message`Check the receipt of a transfer instead, and against ARCHIVE if that is given: the file or directory that was delivered.`,
        })),
        signer: optional(option("--signer", signer(), {
          description: message`Fail unless this key signed the archive.`,
        })),
      }),
      readerOptions(),
    ),
    run: async ({ archive, receiptFile, ...parsed }, io) => {
      if (receiptFile !== undefined) {
        const { verifyReceipt } = await import("../transfer/commands.ts");
        return await verifyReceipt(receiptFile, archive, io);
      }
      if (archive === undefined) throw new WarpError("E_USAGE", "`ARCHIVE` is missing");
      return await run("verify", withKeys({ ...parsed, archive }, archive), io);
    },
  });

export const infoCommand = () =>
  defineCommand<Parsed<ArchiveCommands["info"]>>({
    examples: [{ line: "warp info photos.warp", about: "sizes, counts, keys it takes, signer" }],
    parser: merge(object("Options", { archive: archive() }), readerOptions()),
    run: (parsed, io) => run("info", withKeys(parsed, parsed.archive), io),
  });

export const catCommand = () =>
  defineCommand<Parsed<ArchiveCommands["cat"]>>({
    details: ["Only the chunks of these files are read."],
    examples: [{ line: "warp cat photos.warp photos/list.txt | less", about: "one file of many" }],
    parser: merge(
      object("Options", {
        archive: archive(),
        paths: multiple(
          argument(fileName("PATH", "any"), { description: message`Files to write to stdout.` }),
          { min: 1, errors: { tooFew: message`No member to print is given.` } },
        ),
      }),
      readerOptions(),
    ),
    stdoutUse: () => "content",
    run: (parsed, io) => run("cat", withKeys(parsed, parsed.archive), io),
  });

export const diffCommand = () =>
  defineCommand<Parsed<ArchiveCommands["diff"]>>({
    details: ["Exits with 1 when there are differences."],
    examples: [{ line: "warp diff photos.warp restored", about: "what changed since" }],
    parser: merge(
      object("Options", {
        archive: archive(),
        directory: argument(fileName("DIR", "directory"), {
          description: message`The directory to compare with.`,
        }),
        excludes: excludes(),
      }),
      readerOptions(),
    ),
    run: (parsed, io) => run("diff", withKeys(parsed, parsed.archive), io),
  });

// --- values

function recipient(): ValueParser<"sync", string> {
  const parse = (text: string) => {
    if (isAgeRecipient(text)) return text;
    throw new WarpError("E_USAGE", `"${text.slice(0, 80)}" is not an age recipient`, {
      hint: "it looks like age1…; `warp key show` prints yours",
    });
  };
  return parsedBy("RECIPIENT", parse, (text) => text, "");
}

function signer(): ValueParser<"sync", Uint8Array> {
  return parsedBy<Uint8Array>("SIGNER", parseSigner, formatSigner, new Uint8Array(32));
}

function compression(): ValueParser<"sync", CompressionChoice> {
  const format = (choice: CompressionChoice) =>
    choice.mode === "zstd" ? `zstd:${choice.level}` : choice.mode;
  const suggestions = ["auto", "none", "lz4", "zstd", "zstd:1", "zstd:19"];
  return parsedBy<CompressionChoice>(
    "CODEC",
    parseCompression,
    format,
    { mode: "auto" },
    suggestions,
  );
}

/** The level that `zstd` alone means: zstd's own default. */
const ZSTD_LEVEL_DEFAULT = 3;
const ZSTD_LEVEL_MAX = 22;

export function parseCompression(text: string): CompressionChoice {
  if (text === "auto" || text === "none" || text === "lz4") return { mode: text };
  const match = /^zstd(?::(\d{1,2}))?$/.exec(text);
  const level = match === null ? 0 : Number(match[1] ?? ZSTD_LEVEL_DEFAULT);
  if (level >= 1 && level <= ZSTD_LEVEL_MAX) return { mode: "zstd", level };
  throw new WarpError("E_USAGE", `"${text}" is not a compression`, {
    hint: `auto, none, lz4, zstd, or zstd:1 to zstd:${ZSTD_LEVEL_MAX}`,
  });
}

function chunkSize(): ValueParser<"sync", number> {
  const bytes = byteSize();
  const parse = (text: string) => {
    const parsed = bytes.parse(text);
    if (!parsed.success) {
      throw new WarpError("E_USAGE", `"${text}" is not a size`, {
        hint: "write 64KiB or 1MiB",
      });
    }
    return chunkSizes(parsed.value).avg;
  };
  return parsedBy("SIZE", parse, String, 65536);
}

function glob(): ValueParser<"sync", string> {
  const parse = (text: string) => {
    if (text !== "") return text;
    throw new WarpError("E_USAGE", "an empty pattern matches nothing", { hint: "leave it out" });
  };
  return parsedBy("GLOB", parse, (text) => text, "*");
}
