/**
 * The key verbs: `warp key new`, `warp key show`.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { type CommandIo, defineCommand } from "../base/command.ts";
import { fileName } from "../base/command_line.ts";
import { printableText } from "../base/terminal.ts";

interface KeyNewOptions {
  output: string | undefined;
}

export const keyNewCommand = defineCommand<KeyNewOptions>({
  details: [
    "A key file is an age identity file: whatever was encrypted to its recipient can be opened with " +
    "`age -d -i FILE` as well. The key that signs archives is derived from it.",
    "Keep a copy where you keep passports: without the file, nothing encrypted to it can be read " +
    "again. An existing file is never overwritten.",
  ],
  examples: [
    { line: "warp key new", about: "make the default key, ~/.config/warp/key.txt" },
    { line: "warp key new -o backup.key", about: "another one" },
  ],
  parser: object("Options", {
    output: optional(option("-o", "--output", fileName("FILE", "file"), {
      description: message`Where to write it; "-" is stdout.`,
    })),
  }),
  async run({ output }, io) {
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

interface KeyShowOptions {
  file: string | undefined;
}

export const keyShowCommand = defineCommand<KeyShowOptions>({
  details: [
    "Others encrypt to your recipient (age1…) and check your signatures with your signing key " +
    "(warpsig1…). Both are public. The secret is not shown.",
  ],
  examples: [{ line: "warp key show", about: "what to give to others" }],
  parser: object("Options", {
    file: optional(argument(fileName("FILE", "file"), {
      description: message`A key file, or any age identity file; by default your own.`,
    })),
  }),
  async run({ file }, io) {
    const { defaultKeyFile, publicKeysOf, readKeyFile } = await import("./key_file.ts");
    const path = file ?? defaultKeyFile();
    const { identities, isExposed } = readKeyFile(path);
    if (isExposed) warnExposed(path, io);
    for (const identity of identities) {
      const keys = await publicKeysOf(identity);
      if (io.options.isJson) io.json({ message_type: "key", file: path, ...keys });
      else io.stdout.write(`recipient:   ${keys.recipient}\nsigning key: ${keys.signer}\n`);
    }
    return 0;
  },
});

function warnExposed(path: string, io: CommandIo): void {
  io.warn(`other users can read the key file: chmod 600 ${printableText(path)}`);
}
