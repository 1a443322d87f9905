/**
 * Two machines with a line between them, on one Linux: two network namespaces, and a third between them in
 * which relay.c forwards frames with a rate, a delay and a loss. Needs root, iproute2 and a C compiler.
 * The relay, and not `tc netem`: not every kernel has that, and so every machine measures the same line.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { run } from "./measure.ts";

export interface Line {
  bitsPerSecond: number;
  roundTripMs: number;
  /** Of segments, in each direction: 0.005 is one of two hundred. */
  loss: number;
}

/** What the bottleneck holds, at least; otherwise as much as is on its way in a round trip. */
const QUEUE_MIN = 256 * 1024;

export class Network {
  /** Namespaces: what sends, and what receives. */
  readonly near: string;
  readonly far: string;
  readonly nearAddress: string;
  readonly farAddress: string;
  readonly #namespaces: string[];
  #relay: Deno.ChildProcess | undefined;
  #output: ReadableStreamDefaultReader<Uint8Array> | undefined;

  private constructor(namespaces: string[], nearAddress: string, farAddress: string) {
    this.#namespaces = namespaces;
    this.near = namespaces[0]!;
    this.far = namespaces.at(-1)!;
    this.nearAddress = nearAddress;
    this.farAddress = farAddress;
  }

  /** Without a line: one namespace, its own loopback. @param dir for the compiled relay */
  static async open(name: string, line: Line | null, dir: string): Promise<Network> {
    if (line === null) {
      const alone = new Network([name], "127.0.0.1", "127.0.0.1");
      alone.#make();
      return alone;
    }
    const [near, middle, far] = [`${name}-a`, `${name}-m`, `${name}-b`];
    const net = new Network([near, middle, far], "10.77.0.1", "10.77.0.2");
    try {
      net.#make();
      run(`ip -n ${middle} link add m0 type veth peer name eth0 netns ${near}
        ip -n ${middle} link add m1 type veth peer name eth0 netns ${far}
        for i in m0 m1; do ip -n ${middle} link set $i up; done
        ip -n ${near} addr add ${net.nearAddress}/24 dev eth0
        ip -n ${far} addr add ${net.farAddress}/24 dev eth0
        for n in ${near} ${far}; do ip -n $n link set eth0 up; done
        cc -O2 -o '${dir}/relay' '${relaySource()}' -lpthread`);
      await net.#startRelay(middle, line, `${dir}/relay`);
      return net;
    } catch (error) {
      await net.close();
      throw error;
    }
  }

  #make(): void {
    for (const name of this.#namespaces) {
      run(`ip netns add ${name}
        ip netns exec ${name} sh -c 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 || true' 2>/dev/null
        ip -n ${name} link set lo up`);
    }
  }

  async #startRelay(namespace: string, line: Line, program: string): Promise<void> {
    const { bitsPerSecond, roundTripMs, loss } = line;
    const queue = Math.max(QUEUE_MIN, bitsPerSecond / 8 * roundTripMs / 1000);
    const numbers = [bitsPerSecond, roundTripMs * 500, loss * 1e6, queue].map(Math.round);
    this.#relay = new Deno.Command("ip", {
      args: ["netns", "exec", namespace, program, "m0", "m1", ...numbers.map(String)],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#output = this.#relay.stdout.getReader();
    const { done } = await this.#output.read();
    if (done) throw new Error("the relay did not start");
  }

  /**
   * Congestion control of both ends, for who does not choose; "" leaves that of the machine. The kernel
   * takes in a namespace only what net.ipv4.tcp_allowed_congestion_control of the machine lists.
   */
  setCongestionControl(name: string): void {
    if (name === "") return;
    for (const namespace of new Set([this.near, this.far])) {
      run(`ip netns exec ${namespace} sysctl -q -w net.ipv4.tcp_congestion_control=${name} ||
        { echo 'list ${name} in net.ipv4.tcp_allowed_congestion_control first' >&2; exit 1; }`);
    }
  }

  /** Ends what runs there; gives what the relay forwarded. */
  async close(): Promise<string> {
    let report = "";
    for (const name of this.#namespaces) {
      const isMiddle = this.#relay !== undefined && name.endsWith("-m");
      if (!isMiddle) {
        run(`ip netns pids ${name} 2>/dev/null | xargs -r kill -9 2>/dev/null || true`);
      }
    }
    if (this.#relay !== undefined) {
      try {
        this.#relay.kill("SIGTERM");
      } catch {
        // It has ended.
      }
      const decoder = new TextDecoder();
      for (let part = await this.#output!.read(); !part.done; part = await this.#output!.read()) {
        report += decoder.decode(part.value, { stream: true });
      }
      await this.#relay.status;
      this.#relay = undefined;
    }
    for (const name of this.#namespaces) run(`ip netns del ${name} 2>/dev/null || true`);
    return report.trim();
  }
}

function relaySource(): string {
  return fileURLToPath(new URL("./relay.c", import.meta.url));
}
