/**
 * Measures the way to a peer: round trips on a quiet line, then bytes per second on a full one.
 *
 * @module
 */
import { keepFigure } from "./carrier_figures_io.ts";
import { dialSession, type Identity } from "./client_io.ts";
import type { FrameLane } from "./frame_lane.ts";
import { FRAME, malformedFrame, RUN_BYTES_MAX } from "./frames.ts";
import { fillLine, pingMany, SAMPLE_BYTES_MAX } from "./measure_io.ts";
import type { ProbeResult, TransferProtocol } from "./protocol.ts";

const PINGS = 11;

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
    const pings = await pingMany(session.control, PINGS);
    const bytesPerSecond = await fillLine(session.control, seconds);
    const { carrier, remote } = session.control.lane;
    keepFigure(target.key, carrier, bytesPerSecond);
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
    } else if (head.type === FRAME.cancel) {
      return;
    } else {
      throw malformedFrame("the peer sent a frame out of turn");
    }
  }
}
