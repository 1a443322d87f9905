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

const HISTOGRAM = "portal_request_seconds";

interface Histogram {
  /** The last has no upper end. */
  buckets: { le: number; key: string }[];
  sum: string;
  count: string;
}

function histogramOf(route: string): Histogram {
  const key = (suffix: string, labels: Record<string, string>) =>
    HISTOGRAM + suffix + labelText({ route, ...labels });
  return {
    buckets: [...BUCKETS_S, Infinity].map((le) => ({
      le,
      key: key("_bucket", { le: le === Infinity ? "+Inf" : String(le) }),
    })),
    sum: key("_sum", {}),
    count: key("_count", {}),
  };
}

export class Metrics {
  readonly #series = new Map<string, Series>();
  /** Keys of a route's histogram: made once, for each request counts in all of them. */
  readonly #histograms = new Map<string, Histogram>();
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
    let keys = this.#histograms.get(route);
    if (keys === undefined) this.#histograms.set(route, keys = histogramOf(route));
    const { values } = this.#seriesOf(HISTOGRAM, "histogram", "time to answer");
    const add = (key: string, by: number) => values.set(key, (values.get(key) ?? 0) + by);
    for (const { le, key } of keys.buckets) add(key, seconds <= le ? 1 : 0);
    add(keys.sum, seconds);
    add(keys.count, 1);
  }

  #add(name: string, type: Series["type"], help: string, key: string, by: number): void {
    const { values } = this.#seriesOf(name, type, help);
    values.set(key, (values.get(key) ?? 0) + by);
  }

  #seriesOf(name: string, type: Series["type"], help: string): Series {
    let series = this.#series.get(name);
    if (series === undefined) {
      this.#series.set(name, series = { help, type, values: new Map() });
    }
    return series;
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
