import assert from "node:assert/strict";
import { utf8 } from "../../../actors/base/bytes.ts";
import { KIND } from "../../../actors/cipher/record.ts";
import { buildArchive } from "../../support/memory_archive.ts";
import { recordsOf } from "../../support/mutate.ts";
import { ROOT } from "../../support/warp.ts";

const NAMES = Object.fromEntries(Object.entries(KIND).map(([name, kind]) => [kind, name]));

/** `offset  hex bytes  |text|` lines, with a heading for every part. */
function hexdump(bytes: Uint8Array): string {
  const records = recordsOf(bytes);
  const last = records.at(-1)!;
  const tree = last.offset + last.length;
  const parts: [number, string][] = [
    [0, "header"],
    ...records.map((
      { offset, kind, ordinal },
    ): [number, string] => [offset, `record: ${NAMES[kind]} ${ordinal}`]),
    [tree, "Merkle tree"],
    [bytes.length - 256, "trailer"],
  ];
  const lines: string[] = [];
  parts.forEach(([start, title], i) => {
    const end = parts[i + 1]?.[0] ?? bytes.length;
    lines.push(`-- ${title}`);
    for (let at = start; at < end; at += 16) {
      const row = bytes.subarray(at, Math.min(end, at + 16));
      if (row.every((byte) => byte === 0) && row.length === 16) continue;
      const hex = [...row].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
      const text = [...row].map((b) =>
        b > 0x20 && b < 0x7f && b !== 0x60 ? String.fromCharCode(b) : "."
      ).join("");
      lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  |${text}|`);
    }
  });
  return lines.join("\n");
}

Deno.test("the hexdump in docs/format.md is what the writer writes (WARP_UPDATE=1 rewrites it)", async () => {
  const { bytes } = await buildArchive(
    [{ path: "d", dir: true, mode: 0o755 }, { path: "d/hi", content: utf8("hello, world\n") }],
    {
      archiveId: Uint8Array.from({ length: 16 }, (_, i) => i),
      // Compressed bytes differ between zstd versions; the page shows stored ones.
      pageCodec: { bound: (n) => n, compress: () => 0, decompress: () => false },
    },
  );
  const path = `${ROOT}docs/format.md`;
  const page = Deno.readTextFileSync(path);
  const block = `<!-- hexdump -->\n\n\`\`\`\n${
    hexdump(bytes)
  }\n\`\`\`\n\nRows of zeros are left out.\n\n<!-- /hexdump -->`;
  const updated = page.replace(/<!-- hexdump -->[\s\S]*<!-- \/hexdump -->/, () => block);
  if (Deno.env.get("WARP_UPDATE") === "1") Deno.writeTextFileSync(path, updated);
  else assert.equal(page, updated);
});
