/**
 * What a finished transfer says.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import type { CommandIo, ProgressUpdate } from "../base/command.ts";
import { printableText } from "../base/terminal.ts";
import { formatBytes } from "../base/units.ts";
import type { TransferProgress, TransferResult } from "./protocol.ts";

/** The progress line: phase and carrier, how far, how fast, how long, and what need not travel. */
export function progressOf(progress: TransferProgress): ProgressUpdate {
  const { phase, carrier, bytes, bytesTotal, bytesSaved, files } = progress;
  return {
    phase: carrier === null ? phase : `${phase} over ${carrier}`,
    bytesDone: bytes,
    filesDone: files,
    // Files may have grown since they were looked at.
    ...(bytesTotal === null ? {} : { bytesTotal: Math.max(bytes, bytesTotal) }),
    ...(bytesSaved === 0 ? {} : { detail: `${formatBytes(bytesSaved)} saved` }),
  };
}

/** The exit code: 7 when something is missing at the other end. */
export function reportTransfer(
  result: TransferResult,
  verb: "sent" | "received",
  receipt: string | undefined,
  io: CommandIo,
): number {
  const { files, bytes, bytesMoved, bytesSaved, wire, carrier, lanes, seconds } = result;
  const { problems, refused } = result;
  for (const { path, error } of problems) {
    const name = new TextDecoder().decode(path);
    io.warn(`"${printableText(name)}": ${error.message}`, { path: name, code: error.code });
  }
  if (verb === "sent" && refused > 0) {
    io.warn(`the other side could not take ${refused} of the files: --force replaces them there`);
  }
  io.json({
    message_type: verb,
    files,
    bytes,
    bytes_moved: bytesMoved,
    bytes_saved: bytesSaved,
    wire_bytes: wire,
    carrier,
    carrier_reason: result.reason,
    lanes,
    seconds,
    root: toHex(result.root),
    receipt: receipt ?? null,
    refused,
  });
  const rate = formatBytes(Math.round(bytes / Math.max(seconds, 0.001)));
  io.note(
    `${verb} ${files} ${files === 1 ? "file" : "files"}, ${formatBytes(bytes)} in ${
      seconds.toFixed(1)
    } s (${rate}/s over ${carrier}, ${lanes} ${lanes === 1 ? "lane" : "lanes"})` +
      (bytesSaved > 0 ? `; ${formatBytes(bytesSaved)} were there already` : ""),
  );
  if (receipt !== undefined) io.note(`receipt: ${printableText(receipt)}`, 1);
  const isLost = refused > 0 || problems.some(({ isStored }) => !isStored);
  return isLost ? 7 : 0;
}
