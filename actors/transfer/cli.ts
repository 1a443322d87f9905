/**
 * The transfer verbs: what each accepts. The work is in commands.ts, which is loaded when a command
 * really runs.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { choice, float, integer, string } from "@optique/core/valueparser";
import { type CommandIo, defineCommand } from "../base/command.ts";
import { byteSize, fileName, parsedBy } from "../base/command_line.ts";
import { WarpError } from "../base/errors.ts";
import type {
  FetchOptions,
  ListenOptions,
  LiveOptions,
  PlanOptions,
  ProbeOptions,
  ReceiveOptions,
  ResumeOptions,
  SendOptions,
} from "./options.ts";

const commands = () => import("./commands.ts");

const peerFields = () => ({
  identityFile: optional(option("-i", "--identity", fileName("FILE", "file"), {
    description: message`The key file of this device; by default your own, made when missing.`,
  })),
  carrier: withDefault(
    option("--carrier", choice(["auto", "quic", "tcp"], { metavar: "CARRIER" }), {
      description: message`What carries the bytes; auto takes the faster one that gets through.`,
    }),
    "auto" as const,
  ),
});

const RATE_MIN = 1024;

const limitField = () => ({
  limit: optional(option("--limit", byteSize(RATE_MIN), {
    description: message`At most so many bytes a second, such as 10MB.`,
  })),
});

const moveFields = () => ({
  ...limitField(),
  isForce: option("-f", "--force", {
    description: message`Replace files that are there and differ.`,
  }),
  retryS: withDefault(
    option("--retry", integer({ min: 0, max: 1_000_000, metavar: "SECONDS" }), {
      description: message`How long to dial again after the connection is lost; 60 by default.`,
    }),
    60,
  ),
  receiptFile: optional(option("--receipt", fileName("FILE", "file"), {
    description: message`Write the receipt, signed by both ends, to FILE as well.`,
  })),
});

const serveFields = () => ({
  host: withDefault(
    option("--host", string({ metavar: "ADDRESS" }), {
      description: message`The address to listen on; by default all of them.`,
    }),
    "0.0.0.0",
  ),
  port: optional(option("-p", "--port", integer({ min: 0, max: 65535, metavar: "PORT" }), {
    description: message`The port to listen on, TCP and UDP.`,
  })),
  advertise: multiple(option("--advertise", string({ metavar: "HOST:PORT" }), {
    description: message`What tickets say instead of this machine's own addresses.`,
  })),
  expiresS: withDefault(
    option("--expires", duration(), {
      description: message`How long a ticket is good for, such as 90m or 7d; 24h by default.`,
    }),
    86_400,
  ),
});

const excludes = () =>
  multiple(option("--exclude", string({ metavar: "GLOB" }), {
    description: message`Leave out what matches GLOB. May be repeated.`,
  }));

function duration() {
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
  const parse = (text: string): number => {
    const match = /^(\d{1,6})([smhd])$/.exec(text);
    if (match === null) {
      throw new WarpError("E_USAGE", `"${text}" is not a time`, { hint: "write 90m, 24h or 7d" });
    }
    return Number(match[1]) * units[match[2]!]!;
  };
  return parsedBy("TIME", parse, (seconds) => `${seconds}s`, 86_400);
}

export const sendCommand = () =>
  defineCommand<SendOptions>({
    details: [
      'PATH may be "-", standard input, which arrives as a file called stdin.',
      "DEST is a ticket of `warp listen --ticket`, an address HOST:PORT#KEY, or a name of the peers " +
      "file. Without one, a ticket is printed and the files are served until its holder has them.",
      "Chunks that the other side has in any of its files do not travel. A lost connection is dialled " +
      "again; `warp resume` goes on after anything else.",
    ],
    examples: [
      { line: "warp send photos", about: "print a ticket, wait for `warp receive TICKET`" },
      { line: "warp send photos 192.168.1.20:9277#warpsig1…", about: "to a machine that listens" },
    ],
    parser: merge(
      "Options",
      object({
        words: multiple(
          argument(fileName("PATH", "any"), { description: message`What to send, then where to.` }),
          { min: 1, errors: { tooFew: message`No file or directory to send is given.` } },
        ),
        excludes: excludes(),
        compression: withDefault(
          option("--compress", choice(["none", "lz4"], { metavar: "CODEC" }), {
            description: message`Compress on the way, where a sample says that it pays.`,
          }),
          "none" as const,
        ),
      }),
      object({ ...peerFields(), ...moveFields(), ...serveFields() }),
    ),
    run: async (options: SendOptions, io: CommandIo) => (await commands()).send(options, io),
  });

export const receiveCommand = () =>
  defineCommand<ReceiveOptions>({
    details: [
      "Everything is verified before it gets its name. Files that are there and differ are left alone " +
      "and named, unless --force is given.",
    ],
    examples: [{ line: "warp receive warp1… -C photos", about: "what a ticket stands for" }],
    parser: object("Options", {
      ticket: argument(string({ metavar: "TICKET" }), {
        description: message`What \`warp send\` printed.`,
      }),
      directory: directoryOption(),
      ...peerFields(),
      ...moveFields(),
    }),
    run: async (options: ReceiveOptions, io: CommandIo) => (await commands()).receive(options, io),
  });

export const fetchCommand = () =>
  defineCommand<FetchOptions>({
    details: ["The other side runs `warp listen`; PATH lies under its --dir."],
    examples: [
      { line: "warp fetch nas/photos/2024 .", about: "from a peer of the peers file" },
    ],
    parser: object("Options", {
      source: argument(string({ metavar: "PEER/PATH" }), {
        description: message`A name of the peers file or HOST:PORT#KEY, and a path there.`,
      }),
      directory: argument(fileName("DIR", "directory"), {
        description: message`Where it goes.`,
      }),
      ...peerFields(),
      ...moveFields(),
    }),
    run: async (options: FetchOptions, io: CommandIo) => (await commands()).fetch(options, io),
  });

export const listenCommand = () =>
  defineCommand<ListenOptions>({
    details: [
      "Accepts what allowed devices send, into DIR, and serves what they fetch from it, and nothing " +
      "outside of it. Without --allow and --ticket, the devices of the peers file are allowed.",
      "Prints its addresses, one a line, as HOST:PORT#KEY.",
    ],
    examples: [
      { line: "warp listen --dir inbox --allow warpsig1…", about: "for one device" },
      { line: "warp listen --dir inbox --ticket", about: "for whoever uses the ticket first" },
    ],
    parser: object("Options", {
      directory: withDefault(
        option("-d", "--dir", fileName("DIR", "directory"), {
          description: message`What others see, and where their files go; "." by default.`,
        }),
        ".",
      ),
      allowed: multiple(option("-a", "--allow", string({ metavar: "KEY" }), {
        description: message`A device (warpsig1…, or a name of the peers file). May be repeated.`,
      })),
      isForce: option("-f", "--force", {
        description: message`Let others replace files that are there and differ.`,
      }),
      isTicketWanted: option("--ticket", {
        description: message`Print a ticket that lets one more device send.`,
      }),
      keepS: withDefault(
        option("--keep", duration(), {
          description:
            message`How long files of an interrupted transfer wait to be resumed; 7d by default.`,
        }),
        7 * 86_400,
      ),
      ...limitField(),
      ...serveFields(),
      ...peerFields(),
    }),
    run: async (options: ListenOptions, io: CommandIo) => (await commands()).listen(options, io),
  });

export const planCommand = () =>
  defineCommand<PlanOptions>({
    examples: [{ line: "warp plan photos nas", about: "what `warp send photos nas` would move" }],
    parser: object("Options", {
      words: multiple(
        argument(fileName("PATH", "any"), { description: message`What to send, then where to.` }),
        { min: 2, errors: { tooFew: message`A path and a destination are needed.` } },
      ),
      excludes: excludes(),
      ...peerFields(),
    }),
    run: async (options: PlanOptions, io: CommandIo) => (await commands()).plan(options, io),
  });

export const probeCommand = () =>
  defineCommand<ProbeOptions>({
    examples: [{ line: "warp probe nas", about: "round trip and bandwidth, TCP and QUIC" }],
    parser: object("Options", {
      peer: argument(string({ metavar: "DEST" }), {
        description: message`A ticket, HOST:PORT#KEY, or a name of the peers file.`,
      }),
      seconds: withDefault(
        option("--seconds", float({ min: 0.05, max: 60, metavar: "SECONDS" }), {
          description: message`How long to fill the line; 1 by default.`,
        }),
        1,
      ),
      ...peerFields(),
    }),
    run: async (options: ProbeOptions, io: CommandIo) => (await commands()).probe(options, io),
  });

export const resumeCommand = () =>
  defineCommand<ResumeOptions>({
    details: [
      "Content that arrived is found again and does not travel twice. Both ends may have been killed.",
    ],
    examples: [
      { line: "warp resume", about: "list what was interrupted" },
      { line: "warp resume 3f2a", about: "go on with one of them" },
    ],
    parser: object("Options", {
      id: optional(argument(string({ metavar: "ID" }), {
        description: message`The beginning of an id from the list.`,
      })),
      isForget: option("--forget", { description: message`Drop it from the list instead.` }),
    }),
    run: async (options: ResumeOptions, io: CommandIo) => (await commands()).resume(options, io),
  });

const liveFields = () =>
  object("Options", {
    peer: optional(argument(string({ metavar: "TICKET" }), {
      description: message`What the other side printed; without it a ticket is printed here.`,
    })),
    ...limitField(),
    ...serveFields(),
    ...peerFields(),
  });

export const streamSendCommand = () =>
  defineCommand<LiveOptions>({
    details: [
      "One of the two sides prints a ticket, the other one uses it. The end of the input is the end of " +
      "the output; a cut connection is an error on both sides. A live stream is not resumed.",
    ],
    examples: [{ line: "tar c photos | warp stream send", about: "print a ticket for the stream" }],
    parser: liveFields(),
    run: async (options: LiveOptions, io: CommandIo) => (await commands()).live(true, options, io),
  });

export const streamReceiveCommand = () =>
  defineCommand<LiveOptions>({
    details: ["Without a ticket, one for `warp stream send` is printed on standard error."],
    examples: [{ line: "warp stream receive warp1… | tar x", about: "the stream of a ticket" }],
    parser: liveFields(),
    stdoutUse: () => "archive",
    run: async (options: LiveOptions, io: CommandIo) => (await commands()).live(false, options, io),
  });

function directoryOption() {
  return withDefault(
    option("-C", "--directory", fileName("DIR", "directory"), {
      description: message`Where it goes; "." by default.`,
    }),
    ".",
  );
}
