/**
 * The hub verbs: what each accepts. The work is in commands.ts, which is loaded when a command really runs.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { defineCommand } from "../actors/base/command.ts";
import { byteSize, fileName } from "../actors/base/command_line.ts";
import { passphraseFields } from "../actors/cipher/passphrase_options.ts";

const commands = () => import("./commands.ts");

export interface ServeOptions {
  listen: string;
  data: string | undefined;
  database: string | undefined;
  blobs: string | undefined;
  isOpen: boolean;
  isBehindProxy: boolean;
  url: string | undefined;
  tlsCert: string | undefined;
  tlsKey: string | undefined;
  quota: number | undefined;
}

export interface LoginOptions {
  url: string;
  isDefault: boolean;
  passphraseFile: string | undefined;
  passphraseFd: number | undefined;
}

export interface StatusOptions {
  hub: string | undefined;
  passphraseFile: string | undefined;
  passphraseFd: number | undefined;
}

export const hubServeCommand = () =>
  defineCommand<ServeOptions>({
    details: [
      "Coordinates portals and stores their sealed packs; it cannot read them. Prints its address with its " +
      "key, and an invite with which new accounts may enrol. State is an SQLite database and a directory of " +
      "blobs below DIR, or PostgreSQL and an S3-compatible store, which several hubs may share.",
      "Without --tls-cert it speaks plain HTTP, for loopback and for behind a proxy. What it must not see is " +
      "sealed all the same, and requests are signed. Clients that do not know the certificate's issuer are told " +
      "by DENO_CERT=CA.pem.",
    ],
    examples: [
      { line: "warp hub serve", about: "on 127.0.0.1:8787, state in ~/.local/share/warp/hub" },
      {
        line: "warp hub serve --database postgres://… --blobs 's3://bucket?endpoint=…'",
        about: "one of several",
      },
    ],
    parser: object("Options", {
      listen: withDefault(
        option("--listen", string({ metavar: "ADDRESS:PORT" }), {
          description: message`Where to listen; 127.0.0.1:8787 by default.`,
        }),
        "127.0.0.1:8787",
      ),
      data: optional(option("--data", fileName("DIR", "directory"), {
        description: message`Where database and blobs are kept.`,
      })),
      database: optional(option("--database", string({ metavar: "URL" }), {
        description:
          message`PostgreSQL, or a file for SQLite. WARP_HUB_DATABASE keeps its password off the line.`,
      })),
      blobs: optional(option("--blobs", string({ metavar: "URL" }), {
        description: message`An S3-compatible store, or a directory.`,
      })),
      isOpen: option("--open", { description: message`Anyone may enrol, without an invite.` }),
      isBehindProxy: option("--behind-proxy", {
        description: message`Take client addresses from the last entry of X-Forwarded-For.`,
      }),
      url: optional(option("--url", string({ metavar: "URL" }), {
        description: message`The address that clients use, to be printed.`,
      })),
      tlsCert: optional(option("--tls-cert", fileName("FILE", "file"), {
        description: message`Speak HTTPS with this certificate (PEM).`,
      })),
      tlsKey: optional(option("--tls-key", fileName("FILE", "file"), {
        description: message`The certificate's key (PEM).`,
      })),
      quota: optional(option("--quota", byteSize(), {
        description: message`What each account may store; 100GB by default.`,
      })),
    }),
    run: async (options, io) => (await commands()).serve(options, io),
  });

export const hubLoginCommand = () =>
  defineCommand<LoginOptions>({
    details: [
      "URL is what `warp hub serve` printed: the address alone, with the hub's key after a #, or with an " +
      "invite after that. The key is pinned: later another one is refused.",
    ],
    examples: [
      { line: "warp hub login 'http://127.0.0.1:8787/#KEY.INVITE'", about: "enrol with an invite" },
    ],
    parser: object("Options", {
      url: argument(string({ metavar: "URL" }), { description: message`The hub's address.` }),
      isDefault: option("--default", { description: message`Use it where no hub is named.` }),
      ...passphraseFields(),
    }),
    run: async (options, io) => (await commands()).login(options, io),
  });

export const hubStatusCommand = () =>
  defineCommand<StatusOptions>({
    examples: [{ line: "warp hub status", about: "whether it answers, and what you store there" }],
    parser: object("Options", {
      hub: optional(option("--hub", string({ metavar: "URL" }), {
        description: message`Which hub, of those logged in to; by default the first.`,
      })),
      ...passphraseFields(),
    }),
    run: async (options, io) => (await commands()).status(options, io),
  });
