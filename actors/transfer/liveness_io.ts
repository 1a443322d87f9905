/**
 * The clock of a session: shows the peer that we are there, and notices that it is not.
 *
 * @module
 */
import { WarpError } from "../base/errors.ts";
import { ALIVE_FRAME } from "./frames.ts";
import { Silence, TICKS_MAX } from "./liveness.ts";
import type { Session } from "./session.ts";

const PEER_TIMEOUT_MS = 60_000;
/** The other side may wait for less than this side does. */
const ALIVE_MS_MAX = 10_000;

/** How long a peer may be silent, in ms: 60,000, or what `WARP_PEER_TIMEOUT_MS` says. */
export function peerTimeoutMs(): number {
  let value: number;
  try {
    value = Number(Deno.env.get("WARP_PEER_TIMEOUT_MS") ?? PEER_TIMEOUT_MS);
  } catch {
    return PEER_TIMEOUT_MS; // no permission to ask
  }
  return Number.isFinite(value) && value >= TICKS_MAX ? value : PEER_TIMEOUT_MS;
}

export function silent(timeoutMs: number): WarpError {
  const seconds = Number((timeoutMs / 1000).toFixed(1));
  return new WarpError("E_PEER_GONE", `the peer has not been heard of for ${seconds} s`);
}

/** Until the returned function is called. A peer that is gone ends all lanes, with E_PEER_GONE. */
export function watchPeer({ control, lanes }: Pick<Session, "control" | "lanes">): () => void {
  const timeoutMs = peerTimeoutMs();
  const silence = new Silence();
  let written = -1;
  const note = () => written = lanes.bytesWritten;
  const sayAlive = () => {
    const isQuiet = written === lanes.bytesWritten && !control.isWriting;
    note();
    if (isQuiet) control.write(ALIVE_FRAME).then(note, () => {});
  };
  const look = () => {
    if (silence.tick(lanes.bytesRead, control.isReading)) lanes.giveUp(silent(timeoutMs));
  };
  const timers = [
    setInterval(sayAlive, Math.min(ALIVE_MS_MAX, timeoutMs / TICKS_MAX)),
    setInterval(look, timeoutMs / TICKS_MAX),
  ];
  return () => timers.forEach((timer) => clearInterval(timer));
}
