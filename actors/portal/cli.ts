/**
 * The portal verbs: what each accepts. The work is in commands.ts, which is loaded when a command really runs.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { choice, integer, string } from "@optique/core/valueparser";
import { type CommandIo, defineCommand } from "../base/command.ts";
import { fileName } from "../base/command_line.ts";
import { passphraseFields } from "../cipher/passphrase_options.ts";
import type {
  CloseOptions,
  CreateOptions,
  DecideOptions,
  DeskOptions,
  ExtendOptions,
  GetOptions,
  GrantOptions,
  GroupOptions,
  LinkOptions,
  LogOptions,
  OneOptions,
  PutOptions,
  RequestOptions,
  RevokeOptions,
  ShowOptions,
} from "./options.ts";

const commands = () => import("./commands.ts");

const COUNT_MAX = 1_000_000_000;

const deskFields = () => ({
  hub: optional(option("--hub", string({ metavar: "URL" }), {
    description: message`Which hub, of those logged in to; by default the first.`,
  })),
  ...passphraseFields(),
});

const desk = () => object("Key options", deskFields());

const portalField = () =>
  argument(string({ metavar: "PORTAL" }), { description: message`A portal's name or id.` });

const sourceField = (min: number) =>
  multiple(argument(fileName("PATH", "any"), { description: message`What to put into it.` }), {
    min,
    errors: { tooFew: message`No file or directory to put is given.` },
  });

const excludeField = () =>
  multiple(option("--exclude", string({ metavar: "GLOB" }), {
    description: message`Leave out what matches GLOB. May be repeated.`,
  }));

const policyFields = () => ({
  expires: optional(option("--expires", string({ metavar: "TIME" }), {
    description: message`Close for good after 24h, 7d, or at a date such as 2026-12-24T18:00.`,
  })),
  active: optional(option("--active", string({ metavar: "SCHEDULE" }), {
    description: message`Open only then, such as 'Mon-Fri 09:00-18:00 Europe/Paris'.`,
  })),
  maxDownloads: optional(
    option("--max-downloads", integer({ min: 1, max: COUNT_MAX, metavar: "N" }), {
      description: message`Close after N downloads.`,
    }),
  ),
  maxBytes: optional(option("--max-bytes", string({ metavar: "SIZE" }), {
    description: message`Close when so much was served, such as 5GB.`,
  })),
  when: optional(option("--when", string({ metavar: "EXPR" }), {
    description: message`Any conditions with and, or, not; docs/policy.md lists them.`,
  })),
});

const policy = () => map(object("Policy options", policyFields()), (flags) => ({ policy: flags }));

const countField = (about: string) =>
  optional(option("--max-downloads", integer({ min: 1, max: COUNT_MAX, metavar: "N" }), {
    description: message`${about}`,
  }));

const expiresField = () =>
  optional(option("--expires", string({ metavar: "TIME" }), {
    description: message`How long it is good for: 24h, 7d, or a date.`,
  }));

const pathField = () =>
  optional(option("--path", string({ metavar: "PATH" }), {
    description: message`Only this file or directory of the portal.`,
  }));

const labelField = () =>
  optional(option("--label", string({ metavar: "TEXT" }), {
    description: message`A note for yourself, sealed.`,
  }));

const passwordField = () =>
  optional(option("--password-file", fileName("FILE", "file"), {
    description: message`The link's password is in FILE.`,
  }));

export const portalCreateCommand = () =>
  defineCommand<CreateOptions>({
    details: [
      "Stores the files on the hub, sealed, and makes a portal that is open as long as the policy says. " +
      "The hub learns neither names nor content. Without PATH the portal is made empty.",
    ],
    examples: [
      {
        line: "warp portal create trip photos --expires 7d",
        about: "share a directory for a week",
      },
      {
        line: "warp portal create desk docs --active 'Mon-Fri 09:00-18:00 Europe/Paris'",
        about: "in office hours",
      },
    ],
    parser: merge(
      object("Options", {
        name: argument(string({ metavar: "NAME" }), { description: message`What to call it.` }),
        sources: sourceField(0),
        excludes: excludeField(),
        isPaused: option("--closed", {
          description: message`Do not open it yet: ${"warp portal open"} does.`,
        }),
      }),
      policy(),
      desk(),
    ),
    run: async (options, io) => (await commands()).create(options, io),
  });

export const portalPutCommand = () =>
  defineCommand<PutOptions>({
    details: ["Makes a new version. What the portal holds already is not sent again."],
    examples: [{ line: "warp portal put trip photos", about: "bring it up to date" }],
    parser: merge(
      object("Options", {
        portal: portalField(),
        sources: sourceField(1),
        excludes: excludeField(),
      }),
      desk(),
    ),
    run: async (options, io) => (await commands()).put(options, io),
  });

export const portalGetCommand = () =>
  defineCommand<GetOptions>({
    details: [
      "PORTAL is a link, a name or an id. What is in DIR already is not fetched; a run that was cut goes on " +
      "when it is repeated, and counts as one download.",
    ],
    examples: [
      { line: "warp portal get 'https://hub.example/p/ID#SECRET' -C photos", about: "from a link" },
      { line: "warp portal get trip", about: "your own, or one granted to you" },
    ],
    parser: merge(
      object("Options", {
        portal: argument(string({ metavar: "PORTAL" }), {
          description: message`A link, or a portal's name or id.`,
        }),
        directory: withDefault(
          option("-C", "--directory", fileName("DIR", "directory"), {
            description: message`Where to; by default here.`,
          }),
          ".",
        ),
        isForce: option("-f", "--force", {
          description: message`Replace files that are there and differ.`,
        }),
        version: withDefault(
          option("--version-number", integer({ min: 1, max: COUNT_MAX, metavar: "N" }), {
            description: message`An earlier version; by default the newest.`,
          }),
          0,
        ),
        passwordFile: passwordField(),
      }),
      desk(),
    ),
    run: async (options, io) => (await commands()).get(options, io),
  });

export const portalListCommand = () =>
  defineCommand<DeskOptions>({
    examples: [{ line: "warp portal list", about: "own portals, and those granted to you" }],
    parser: merge(object({}), desk()),
    run: async (options, io) => (await commands()).list(options, io),
  });

function oneCommand(
  about: { line: string; about: string },
  run: (options: OneOptions, io: CommandIo) => Promise<number>,
  details: string[] = [],
) {
  return defineCommand<OneOptions>({
    details,
    examples: [about],
    parser: merge(object("Options", { portal: portalField() }), desk()),
    run,
  });
}

export const portalShowCommand = () =>
  defineCommand<ShowOptions>({
    details: [
      "With --files it names what the newest version holds. For who may read that begins a download, which " +
      "`warp portal get` goes on with; who may list has no more than that.",
    ],
    examples: [
      { line: "warp portal show trip", about: "state, policy, use and grants" },
      { line: "warp portal show trip --files", about: "and what is in it" },
    ],
    parser: merge(
      object("Options", {
        portal: argument(string({ metavar: "PORTAL" }), {
          description: message`A link, or a portal's name or id.`,
        }),
        isFiles: option("--files", { description: message`Name the files in it, with sizes.` }),
        passwordFile: passwordField(),
      }),
      desk(),
    ),
    run: async (options, io) => (await commands()).show(options, io),
  });

export const portalOpenCommand = () =>
  oneCommand(
    { line: "warp portal open trip", about: "open it, or go on after a pause" },
    async (options, io) => (await commands()).setState("open", options, io),
  );

export const portalPauseCommand = () =>
  oneCommand(
    { line: "warp portal pause trip", about: "let nobody in for now" },
    async (options, io) => (await commands()).setState("pause", options, io),
  );

export const portalCloseCommand = () =>
  defineCommand<CloseOptions>({
    details: ["`warp portal extend` brings it back; with --archive nothing does."],
    examples: [{ line: "warp portal close trip", about: "end it" }],
    parser: merge(
      object("Options", {
        portal: portalField(),
        isArchive: option("--archive", {
          description: message`Let go of its content as well, for good.`,
        }),
      }),
      desk(),
    ),
    run: async (options, io) => (await commands()).close(options, io),
  });

export const portalExtendCommand = () =>
  defineCommand<ExtendOptions>({
    details: ["The new policy replaces the old one, and a portal that was over is open again."],
    examples: [{ line: "warp portal extend trip --expires 7d", about: "another week" }],
    parser: merge(object("Options", { portal: portalField() }), policy(), desk()),
    run: async (options, io) => (await commands()).extend(options, io),
  });

export const portalGrantCommand = () =>
  defineCommand<GrantOptions>({
    details: [
      "GRANTEE is an account, portal1…, as its `warp key show` prints it, or the name of a group. Accounts " +
      "may list, read, write or be admin; groups list or read.",
    ],
    examples: [
      { line: "warp portal grant trip portal1…", about: "let an account read" },
      { line: "warp portal grant trip portal1… --level write", about: "and put new versions" },
    ],
    parser: merge(
      object("Options", {
        portal: portalField(),
        grantee: argument(string({ metavar: "GRANTEE" }), {
          description: message`An account or a group.`,
        }),
        level: withDefault(
          option("--level", choice(["list", "read", "write", "admin"], { metavar: "LEVEL" }), {
            description: message`What they may do; read by default.`,
          }),
          "read" as const,
        ),
        path: pathField(),
        expires: expiresField(),
        downloads: countField("At most N downloads by this grant."),
        label: labelField(),
      }),
      desk(),
    ),
    run: async (options, io) => (await commands()).grant(options, io),
  });

export const portalRevokeCommand = () =>
  defineCommand<RevokeOptions>({
    details: [
      "GRANT is an id of `warp portal show`, or an account. Those who are revoked get nothing from the hub any " +
      "more, and what is put from then on is sealed with a key that they never had.",
    ],
    examples: [{ line: "warp portal revoke trip portal1…", about: "end an account's access" }],
    parser: merge(
      object("Options", {
        portal: portalField(),
        grants: multiple(
          argument(string({ metavar: "GRANT" }), { description: message`What to end.` }),
          { min: 1 },
        ),
      }),
      desk(),
    ),
    run: async (options, io) => (await commands()).revoke(options, io),
  });

export const portalLinkCommand = () =>
  defineCommand<LinkOptions>({
    details: [
      "Prints one line, an address that opens in any browser and with `warp portal get`. Its secret stands " +
      "after the #, which browsers do not send to the hub. `warp portal show` lists links, and `revoke` ends them.",
    ],
    examples: [
      { line: "warp portal link trip", about: "for whoever has it" },
      {
        line: "warp portal link trip --one-time --password-file p.txt",
        about: "once, with a password",
      },
    ],
    parser: merge(
      object("Options", {
        portal: portalField(),
        level: withDefault(
          option("--level", choice(["list", "read"], { metavar: "LEVEL" }), {
            description: message`list shows names alone; read by default.`,
          }),
          "read" as const,
        ),
        path: pathField(),
        passwordFile: optional(option("--password-file", fileName("FILE", "file"), {
          description: message`Ask for the password in FILE.`,
        })),
        isOneTime: option("--one-time", { description: message`One download.` }),
        downloads: countField("At most N downloads by this link."),
        expires: expiresField(),
        label: labelField(),
      }),
      desk(),
    ),
    run: async (options, io) => (await commands()).link(options, io),
  });

export const portalRequestCommand = () =>
  defineCommand<RequestOptions>({
    details: ["Asks the owner to be let in again. The hub cannot read the reason."],
    examples: [
      {
        line: "warp portal request 'https://…#…' --reason 'one file is missing'",
        about: "ask by a link",
      },
    ],
    parser: merge(
      object("Options", {
        portal: argument(string({ metavar: "PORTAL" }), {
          description: message`A link, or a portal's name or id.`,
        }),
        reason: option("--reason", string({ metavar: "TEXT" }), { description: message`Why.` }),
        passwordFile: passwordField(),
      }),
      desk(),
    ),
    run: async (options, io) => (await commands()).request(options, io),
  });

export const portalRequestsCommand = () =>
  oneCommand(
    { line: "warp portal requests trip", about: "who asks to be let in again" },
    async (options, io) => (await commands()).requests(options, io),
  );

function decideCommand(isApproved: boolean) {
  const verb = isApproved ? "approve" : "deny";
  return defineCommand<DecideOptions>({
    examples: [{ line: `warp portal ${verb} trip REQUEST`, about: `${verb} what was asked` }],
    parser: merge(
      object("Options", {
        portal: portalField(),
        request: argument(string({ metavar: "REQUEST" }), {
          description: message`Its id, of ${"warp portal requests"}.`,
        }),
        expires: withDefault(
          option("--expires", string({ metavar: "TIME" }), {
            description: message`Let in for so long, whatever the policy says; 24h by default.`,
          }),
          "24h",
        ),
        downloads: countField("At most N downloads more."),
      }),
      desk(),
    ),
    run: async (options, io) => (await commands()).decide(isApproved, options, io),
  });
}

export const portalApproveCommand = () => decideCommand(true);
export const portalDenyCommand = () => decideCommand(false);

export const portalLogCommand = () =>
  defineCommand<LogOptions>({
    details: ["Checks that no entry is missing or changed, and that the hub has signed the last."],
    examples: [{ line: "warp portal log trip", about: "who did what, and when" }],
    parser: merge(
      object("Options", {
        portal: portalField(),
        exportFile: optional(option("--export", fileName("FILE", "file"), {
          description: message`Write the log with its hashes and the hub's signature to FILE.`,
        })),
      }),
      desk(),
    ),
    run: async (options, io) => (await commands()).log(options, io),
  });

export const portalGroupCommand = () =>
  defineCommand<GroupOptions>({
    details: ["Without NAME it lists groups; with --add a group is made when there is none."],
    examples: [{
      line: "warp portal group team --add portal1…",
      about: "make a group, or add to it",
    }],
    parser: merge(
      object("Options", {
        name: optional(argument(string({ metavar: "NAME" }), { description: message`The group.` })),
        add: multiple(option("--add", string({ metavar: "ACCOUNT" }), {
          description: message`Make this account a member. May be repeated.`,
        })),
        remove: multiple(option("--remove", string({ metavar: "ACCOUNT" }), {
          description: message`Let it be none any more. May be repeated.`,
        })),
      }),
      desk(),
    ),
    run: async (options, io) => (await commands()).group(options, io),
  });
