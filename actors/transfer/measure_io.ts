/**
 * What is measured on a lane whose server answers probes.
 *
 * @module
 */
import { WarpError } from "../base/errors.ts";
import type { FrameLane } from "./frame_lane.ts";
import { fields, FRAME, malformedFrame, RUN_BYTES_MAX, uint } from "./frames.ts";

/** What a peer takes in for a probe, at most. */
export const SAMPLE_BYTES_MAX = 8 * 2 ** 30;

/** Round trips on a quiet line, in ms, the shortest first. */
export async function pingMany(control: FrameLane, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedAt = performance.now();
    await control.send(FRAME.ping, [i]);
    if (uint(fields(await control.expect(FRAME.pong), 1)[0]) !== i) throw malformedFrame();
    times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b);
}

/** Sends noise for a while; the peer's count of what came by then is what counts. Bytes a second. */
export async function fillLine(control: FrameLane, seconds: number): Promise<number> {
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
