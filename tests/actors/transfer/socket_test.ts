import assert from "node:assert/strict";
import { tuneDatagrams, tuneSocket } from "../../../actors/transfer/socket_io.ts";

const IPPROTO_TCP = 6, TCP_NOTSENT_LOWAT = 25;
const SOL_SOCKET = 1, SO_RCVBUF = 8;

/** What the sockets at a port of this process say. */
function optionAt(port: number, level: number, option: number): number[] {
  const { symbols } = Deno.dlopen("libc.so.6", {
    getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
    getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  });
  const values: number[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const address = new Uint8Array(128), room = new Uint32Array([128]);
    if (symbols.getsockname(Number(name), address, room) !== 0) continue;
    if ((address[2]! << 8 | address[3]!) !== port) continue;
    const value = new Int32Array(1), length = new Uint32Array([4]);
    const failed = symbols.getsockopt(Number(name), level, option, value, length);
    if (failed === 0) values.push(value[0]!);
  }
  return values;
}

Deno.test({
  name: "a tuned socket keeps little in the kernel, so that what is urgent does not wait behind it",
  ignore: Deno.build.os !== "linux",
  // libc stays open: the code under test keeps it for all sockets.
  sanitizeResources: false,
  async fn() {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const accepted = listener.accept();
    using near = await Deno.connect({ port: listener.addr.port });
    using _far = await accepted;
    const unsentMost = ({ port }: Deno.NetAddr) => optionAt(port, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
    assert.deepEqual(unsentMost(near.localAddr), [0]);
    tuneSocket(near);
    assert.deepEqual(unsentMost(near.localAddr), [256 * 1024]);
    assert.deepEqual(unsentMost(listener.addr), [0, 0], "no other socket");
  },
});

Deno.test({
  name: "a QUIC endpoint has room for what arrives while the process is busy",
  ignore: Deno.build.os !== "linux",
  // libc stays open: the code under test keeps it for all sockets.
  sanitizeResources: false,
  fn() {
    const most = Number(Deno.readTextFileSync("/proc/sys/net/core/rmem_max"));
    const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1" });
    try {
      const { port } = endpoint.addr;
      tuneDatagrams(port);
      // The kernel doubles what is asked for.
      assert.ok(optionAt(port, SOL_SOCKET, SO_RCVBUF).includes(2 * Math.min(most, 4 << 20)));
    } finally {
      endpoint.close({ closeCode: 0, reason: "" });
    }
  },
});
