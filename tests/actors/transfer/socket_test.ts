import assert from "node:assert/strict";
import { tuneSocket } from "../../../actors/transfer/socket_io.ts";

const IPPROTO_TCP = 6, TCP_NOTSENT_LOWAT = 25;

/** Of all sockets of this process that have one: how much may wait in the kernel. */
function unsentLimits(): number[] {
  const { symbols } = Deno.dlopen("libc.so.6", {
    getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  });
  const limits: number[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const value = new Int32Array(1), length = new Uint32Array([4]);
    const failed = symbols.getsockopt(Number(name), IPPROTO_TCP, TCP_NOTSENT_LOWAT, value, length);
    if (failed === 0 && value[0]! > 0) limits.push(value[0]!);
  }
  return limits;
}

Deno.test({
  name: "a tuned socket keeps little in the kernel, so that what is urgent does not wait behind it",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const accepted = listener.accept();
    using near = await Deno.connect({ port: listener.addr.port });
    using _far = await accepted;
    assert.deepEqual(unsentLimits(), []);
    tuneSocket(near);
    assert.deepEqual(unsentLimits(), [256 * 1024], "that socket, and no other");
  },
});
