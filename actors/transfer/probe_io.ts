/**
 * Measures the way to a peer: round trips on a quiet line, then bytes per second on a full one.
 *
 * @module
 */
import { WarpError } from "../base/errors.ts";
import { type ClientSession, dialSession, type Identity } from "./client_io.ts";
import type { FrameLane } from "./frame_lane.ts";
import { fields, FRAME, malformedFrame, RUN_BYTES_MAX, uint } from "./frames.ts";
import type { ProbeResult, TransferProtocol } from "./protocol.ts";

const PINGS = 11;
/** What a peer takes in for a probe, at most. */
const SAMPLE_BYTES_MAX = 8 * 2 ** 30;

type ProbeRequest = TransferProtocol["streams"]["probe"]["request"];

/** @throws {WarpError} */
export async function probe(
  request: ProbeRequest,
  identity: Identity,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { target, carrier: policy, seconds } = request;
  const session = await dialSession(target, identity, policy, { want: "probe" }, signal);
  try {
    const pings = await pingMany(session);
    const bytesPerSecond = await fill(session, seconds);
    const { carrier, remote } = session.control.lane;
    return {
      carrier,
      reason: session.reason,
      remote,
      program: session.caps.program,
      lanesMax: session.caps.lanesMax,
      rttMinMs: pings[0]!,
      rttMs: pings[PINGS >> 1]!,
      bytesPerSecond,
    };
  } finally {
    session.close();
  }
}

async function pingMany({ control }: ClientSession): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const startedAt = performance.now();
    await control.send(FRAME.ping, [i]);
    if (uint(fields(await control.expect(FRAME.pong), 1)[0]) !== i) throw malformedFrame();
    times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b);
}

/** Sends noise for a while; the peer's count of what came by then is what counts. */
async function fill({ control }: ClientSession, seconds: number): Promise<number> {
  const noise = crypto.getRandomValues(new Uint8Array(65536));
  const sample = new Uint8Array(RUN_BYTES_MAX / 4);
  for (let at = 0; at < sample.length; at += noise.length) sample.set(noise, at);
  const startedAt = performance.now();
  let sent = 0;
  while (performance.now() - startedAt < 1000 * seconds && sent < SAMPLE_BYTES_MAX) {
    await control.sendRun(FRAME.sample, 0, new Uint8Array(), sample);
    sent += sample.length;
  }
  await control.send(FRAME.ping, [sent]);
  const counted = uint(fields(await control.expect(FRAME.pong), 1)[0]);
  if (counted !== sent) throw new WarpError("E_PROTOCOL", "the peer lost count");
  return sent / ((performance.now() - startedAt) / 1000);
}

/** The other side: echoes pings, swallows samples. */
export async function answerProbe(control: FrameLane): Promise<void> {
  const buffer = new Uint8Array(RUN_BYTES_MAX + 64);
  let swallowed = 0;
  for (let head = await control.head(); head !== undefined; head = await control.head()) {
    if (head.type === FRAME.sample) {
      await control.payload(buffer.subarray(0, head.length));
      swallowed += head.length;
      if (swallowed > SAMPLE_BYTES_MAX) throw malformedFrame("the probe has no end");
    } else if (head.type === FRAME.ping) {
      await control.send(FRAME.pong, await control.body(head));
    } else {
      throw malformedFrame("the peer sent a frame out of turn");
    }
  }
}
