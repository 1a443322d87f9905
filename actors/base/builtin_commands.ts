/**
 * Commands about the program itself.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { defineCommand } from "./command.ts";
import { versionFacts, versionText } from "./version.ts";

export const versionCommand = defineCommand<Record<string, never>>({
  examples: [{ line: "warp version -v", about: "what a bug report needs" }],
  parser: object("Options", {}),
  run(_, io) {
    const facts = versionFacts();
    if (io.options.isJson) io.json({ message_type: "version", ...facts });
    else if (io.options.verbosity < 1) io.stdout.write(versionText());
    else {
      const lines = Object.entries(facts).map(([name, fact]) => `${name.padEnd(8)} ${fact}\n`);
      io.stdout.write(lines.join(""));
    }
    return Promise.resolve(0);
  },
});
