/**
 * Counters in Prometheus' text format (exposition format 0.0.4).
 *
 * @module
 */

const BUCKETS_S = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10];

interface Series {
  help: string;
  type: "counter" | "gauge" | "histogram";
  /** Value by label text. */
  values: Map<string, number>;
}

export class Metrics {
  readonly #series = new Map<string, Series>();
  readonly #gauges: { name: string; help: string; read: () => number }[] = [];

  /** A number that is asked for when it is shown. */
  gauge(name: string, help: string, read: () => number): void {
    this.#gauges.push({ name, help, read });
  }

  count(name: string, help: string, labels: Record<string, string> = {}, by = 1): void {
    this.#add(name, "counter", help, name + labelText(labels), by);
  }

  /** Counts one request in the histogram `portal_request_seconds`. */
  time(route: string, seconds: number): void {
    const name = "portal_request_seconds";
    const add = (suffix: string, labels: Record<string, string>, by: number) =>
      this.#add(name, "histogram", "time to answer", name + suffix + labelText(labels), by);
    for (const le of BUCKETS_S) {
      add("_bucket", { route, le: String(le) }, seconds <= le ? 1 : 0);
    }
    add("_bucket", { route, le: "+Inf" }, 1);
    add("_sum", { route }, seconds);
    add("_count", { route }, 1);
  }

  #add(name: string, type: Series["type"], help: string, key: string, by: number): void {
    let series = this.#series.get(name);
    if (series === undefined) {
      this.#series.set(name, series = { help, type, values: new Map() });
    }
    series.values.set(key, (series.values.get(key) ?? 0) + by);
  }

  text(): string {
    const lines: string[] = [];
    for (const [name, { help, type, values }] of this.#series) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      for (const [key, value] of values) lines.push(`${key} ${value}`);
    }
    for (const { name, help, read } of this.#gauges) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${read()}`);
    }
    return lines.join("\n") + "\n";
  }
}

function labelText(labels: Record<string, string>): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}
