#!/usr/bin/env -S deno run -A
/**
 * The `warp` program: the table of verbs. Each command's module is loaded only when it is called.
 *
 * @module
 */
import type { VerbTable } from "./actors/base/command.ts";
import { runCommandLine } from "./actors/base/shell.ts";
import { prepareWorkers } from "./actors/workers.ts";

/** By URL: Deno reads whatever stands in a plain `import()` at start, needed or not. */
const archive = lazily<typeof import("./actors/archive/cli.ts")>(
  new URL("./actors/archive/cli.ts", import.meta.url),
);
const transfers = lazily<typeof import("./actors/transfer/cli.ts")>(
  new URL("./actors/transfer/cli.ts", import.meta.url),
);
const streams = lazily<typeof import("./actors/stream/cli.ts")>(
  new URL("./actors/stream/cli.ts", import.meta.url),
);
const keys = lazily<typeof import("./actors/cipher/cli.ts")>(
  new URL("./actors/cipher/cli.ts", import.meta.url),
);
const portals = lazily<typeof import("./actors/portal/cli.ts")>(
  new URL("./actors/portal/cli.ts", import.meta.url),
);
const hubs = lazily<typeof import("./hub/cli.ts")>(new URL("./hub/cli.ts", import.meta.url));
const kernels = lazily<typeof import("./kernels/cli.ts")>(
  new URL("./kernels/cli.ts", import.meta.url),
);

function lazily<Module>(url: URL): () => Promise<Module> {
  return () => import(url.href);
}

export const VERBS: VerbTable = {
  "create": {
    group: "Archives",
    summary: "store files and directories in a new archive",
    prepare: () => prepareWorkers("archive", "chunker", "cipher"),
    load: async () => (await archive()).createCommand(),
  },
  "extract": {
    group: "Archives",
    summary: "write an archive's files to a directory",
    prepare: () => prepareWorkers("archive", "cipher"),
    load: async () => (await archive()).extractCommand(),
  },
  "list": {
    group: "Archives",
    summary: "name what an archive holds",
    load: async () => (await archive()).listCommand(),
  },
  "cat": {
    group: "Archives",
    summary: "write files of an archive to stdout",
    load: async () => (await archive()).catCommand(),
  },
  "info": {
    group: "Archives",
    summary: "describe an archive",
    load: async () => (await archive()).infoCommand(),
  },
  "verify": {
    group: "Archives",
    summary: "check that an archive is whole, and who signed it",
    load: async () => (await archive()).verifyCommand(),
  },
  "diff": {
    group: "Archives",
    summary: "compare an archive with a directory",
    load: async () => (await archive()).diffCommand(),
  },
  "send": {
    group: "Transfers",
    summary: "send files to another machine, or print a ticket for them",
    prepare: () => prepareWorkers("transfer", "chunker"),
    load: async () => (await transfers()).sendCommand(),
  },
  "receive": {
    group: "Transfers",
    summary: "receive what a ticket stands for",
    prepare: () => prepareWorkers("transfer"),
    load: async () => (await transfers()).receiveCommand(),
  },
  "listen": {
    group: "Transfers",
    summary: "accept files from other machines, and serve a directory to them",
    load: async () => (await transfers()).listenCommand(),
  },
  "fetch": {
    group: "Transfers",
    summary: "fetch files from a machine that listens",
    prepare: () => prepareWorkers("transfer"),
    load: async () => (await transfers()).fetchCommand(),
  },
  "plan": {
    group: "Transfers",
    summary: "tell what a send would move, and how long it would take",
    load: async () => (await transfers()).planCommand(),
  },
  "probe": {
    group: "Transfers",
    summary: "measure the way to a machine that listens",
    load: async () => (await transfers()).probeCommand(),
  },
  "resume": {
    group: "Transfers",
    summary: "list interrupted transfers, or go on with one",
    load: async () => (await transfers()).resumeCommand(),
  },
  "stream encrypt": {
    group: "Streams",
    summary: "encrypt standard input to standard output as it comes",
    load: async () => (await streams()).streamEncryptCommand(),
  },
  "stream decrypt": {
    group: "Streams",
    summary: "decrypt and check a stream",
    load: async () => (await streams()).streamDecryptCommand(),
  },
  "stream send": {
    group: "Streams",
    summary: "send standard input to another machine as it comes",
    load: async () => (await transfers()).streamSendCommand(),
  },
  "stream receive": {
    group: "Streams",
    summary: "write what another machine sends to standard output",
    load: async () => (await transfers()).streamReceiveCommand(),
  },
  "portal create": {
    group: "Portals",
    summary: "share files by a portal that opens and closes by policy",
    load: async () => (await portals()).portalCreateCommand(),
  },
  "portal put": {
    group: "Portals",
    summary: "bring a portal up to date",
    load: async () => (await portals()).portalPutCommand(),
  },
  "portal get": {
    group: "Portals",
    summary: "fetch what a link or portal holds",
    load: async () => (await portals()).portalGetCommand(),
  },
  "portal list": {
    group: "Portals",
    summary: "name the portals that you own or may see",
    load: async () => (await portals()).portalListCommand(),
  },
  "portal show": {
    group: "Portals",
    summary: "describe a portal, its policy, use and grants",
    load: async () => (await portals()).portalShowCommand(),
  },
  "portal open": {
    group: "Portals",
    summary: "open a portal",
    load: async () => (await portals()).portalOpenCommand(),
  },
  "portal pause": {
    group: "Portals",
    summary: "let nobody into a portal for now",
    load: async () => (await portals()).portalPauseCommand(),
  },
  "portal close": {
    group: "Portals",
    summary: "end a portal",
    load: async () => (await portals()).portalCloseCommand(),
  },
  "portal extend": {
    group: "Portals",
    summary: "give a portal a new policy",
    load: async () => (await portals()).portalExtendCommand(),
  },
  "portal grant": {
    group: "Portals",
    summary: "let an account or group into a portal",
    load: async () => (await portals()).portalGrantCommand(),
  },
  "portal revoke": {
    group: "Portals",
    summary: "end grants and links, and change the keys",
    load: async () => (await portals()).portalRevokeCommand(),
  },
  "portal link": {
    group: "Portals",
    summary: "make a link that opens a portal",
    load: async () => (await portals()).portalLinkCommand(),
  },
  "portal request": {
    group: "Portals",
    summary: "ask to be let in again",
    load: async () => (await portals()).portalRequestCommand(),
  },
  "portal requests": {
    group: "Portals",
    summary: "list who asks to be let in again",
    load: async () => (await portals()).portalRequestsCommand(),
  },
  "portal approve": {
    group: "Portals",
    summary: "let someone in again",
    load: async () => (await portals()).portalApproveCommand(),
  },
  "portal deny": {
    group: "Portals",
    summary: "refuse to let someone in again",
    load: async () => (await portals()).portalDenyCommand(),
  },
  "portal log": {
    group: "Portals",
    summary: "show who did what with a portal, checked",
    load: async () => (await portals()).portalLogCommand(),
  },
  "portal group": {
    group: "Portals",
    summary: "make groups, add and remove members",
    load: async () => (await portals()).portalGroupCommand(),
  },
  "hub serve": {
    group: "Portals",
    summary: "run a hub",
    load: async () => (await hubs()).hubServeCommand(),
  },
  "hub login": {
    group: "Portals",
    summary: "enrol this machine at a hub",
    load: async () => (await hubs()).hubLoginCommand(),
  },
  "hub status": {
    group: "Portals",
    summary: "ask a hub how it is",
    load: async () => (await hubs()).hubStatusCommand(),
  },
  "key new": {
    group: "Keys",
    summary: "make a key file for encryption and signatures, or an account",
    load: async () => (await keys()).keyNewCommand,
  },
  "key show": {
    group: "Keys",
    summary: "print the public halves of a key file, and your account",
    load: async () => (await keys()).keyShowCommand,
  },
  "key recover": {
    group: "Keys",
    summary: "bring an account to this machine from its 24 words",
    load: async () => (await keys()).keyRecoverCommand,
  },
  "key devices": {
    group: "Keys",
    summary: "print this machine's device and its hubs",
    load: async () => (await keys()).keyDevicesCommand,
  },
  "key retire": {
    group: "Keys",
    summary: "end a device of the account",
    load: async () => (await keys()).keyRetireCommand,
  },
  "bench kernels": {
    group: "Tools",
    summary: "measure every kernel on every backend",
    load: async () => (await kernels()).benchKernelsCommand,
  },
  "doctor": {
    group: "Tools",
    summary: "show what this machine has and which kernel backends are used",
    load: async () => (await kernels()).doctorCommand,
  },
  "completions": {
    group: "Tools",
    summary: "print a completion script for a shell",
    load: async () => (await import("./actors/base/completions.ts")).completionsCommand(VERBS),
  },
  "man": {
    group: "Tools",
    summary: "print the manual page",
    load: async () => (await import("./actors/base/man.ts")).manCommand(VERBS),
  },
  "version": {
    group: "Tools",
    summary: "print the version",
    load: async () => (await import("./actors/base/builtin_commands.ts")).versionCommand,
  },
};

// Explicit, because a Worker that hangs would keep the process alive.
if (import.meta.main) Deno.exit(await runCommandLine(VERBS, Deno.args));
