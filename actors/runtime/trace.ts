/**
 * Message traces: `--trace FILE` for Perfetto (https://ui.perfetto.dev) and `--trace -` to watch.
 *
 * @module
 */
import type { Span } from "./protocol.ts";

export interface TraceSink {
  write(spans: Span[]): void;
  close(): void;
}

export function openTrace(target: string): TraceSink {
  return target === "-" ? liveTrace() : fileTrace(target);
}

/** Chrome trace-event JSON: one track per actor, a slice per message, a slice for its wait. */
function fileTrace(path: string): TraceSink {
  const file = Deno.openSync(path, { create: true, write: true, truncate: true });
  const encoder = new TextEncoder();
  const tracks = new Map<string, number>();
  let isFirst = true;
  const emit = (event: Record<string, unknown>) => {
    file.writeSync(encoder.encode(`${isFirst ? "" : ",\n"}${JSON.stringify(event)}`));
    isFirst = false;
  };
  const track = (actor: string) => {
    const known = tracks.get(actor);
    if (known !== undefined) return known;
    const tid = tracks.size + 1;
    tracks.set(actor, tid);
    emit({ ph: "M", pid: 1, tid, name: "thread_name", args: { name: actor } });
    return tid;
  };
  file.writeSync(encoder.encode('{"displayTimeUnit":"ms","traceEvents":[\n'));
  return {
    write(spans) {
      for (const span of spans) {
        const tid = track(span.actor);
        const { from, kind, op, bytes, outcome, generation, trace } = span;
        const waitMs = span.startedAt - span.queuedAt;
        const args = { from, kind, waitMs, bytes, outcome, generation, trace };
        const slice = { pid: 1, tid, cat: kind, name: op, ts: span.startedAt * 1000, args };
        const dur = Math.max(1, (span.endedAt - span.startedAt) * 1000);
        if (kind !== "stream") {
          emit({ ph: "X", ...slice, dur });
        } else {
          // Streams overlap the calls of their actor: asynchronous slices have tracks of their own.
          emit({ ph: "b", ...slice, id: trace });
          emit({ ph: "e", ...slice, id: trace, ts: span.endedAt * 1000 });
        }
        const caller = track(from);
        const flow = { pid: 1, cat: "message", name: op, id: trace };
        emit({ ph: "s", tid: caller, ts: span.queuedAt * 1000, ...flow });
        emit({ ph: "f", bp: "e", tid, ts: span.startedAt * 1000, ...flow });
      }
    },
    close() {
      file.writeSync(encoder.encode("\n]}\n"));
      file.close();
    },
  };
}

function liveTrace(): TraceSink {
  let origin: number | undefined;
  return {
    write(spans) {
      for (const span of spans) {
        origin ??= span.queuedAt;
        const at = (span.queuedAt - origin).toFixed(2).padStart(9);
        const wait = (span.startedAt - span.queuedAt).toFixed(2);
        const took = (span.endedAt - span.startedAt).toFixed(2);
        const bytes = span.bytes > 0 ? ` ${span.bytes} B` : "";
        console.error(
          `${at} ms  ${span.from} → ${span.actor}  ${span.kind} ${span.op}  ` +
            `wait ${wait} ms, took ${took} ms${bytes}  ${span.outcome}`,
        );
      }
    },
    close() {},
  };
}
