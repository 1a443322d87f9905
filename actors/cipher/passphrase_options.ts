/**
 * The options that say where a passphrase comes from: the same for every command that takes one.
 *
 * @module
 */
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { fileName } from "../base/command_line.ts";

const DESCRIPTOR_MAX = 1 << 20;

/** @param about what FILE is for, without a full stop */
export const passphraseFields = (about = "Read the passphrase of the key ring from FILE") => ({
  passphraseFile: optional(option("--passphrase-file", fileName("FILE", "file"), {
    description: [{ type: "text", text: `${about}.` }],
  })),
  passphraseFd: optional(
    option("--passphrase-fd", integer({ min: 0, max: DESCRIPTOR_MAX, metavar: "N" }), {
      description: message`Read the passphrase from an open file descriptor.`,
    }),
  ),
});
