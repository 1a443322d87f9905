/**
 * What Deno does not offer of a TCP socket: the congestion control of the sending side.
 *
 * On a path that loses one packet in two hundred, CUBIC sends a hundredth of what BBR does
 * (bench/RESULTS.md). The kernel allows it to anybody where an administrator has listed it, and to root.
 *
 * @module
 */
const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;
/** A network byte order port stands here in sockaddr_in and sockaddr_in6 alike. */
const PORT_OFFSET = 2;

const SYMBOLS = {
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
let libc: Libc | null | undefined;

function openLibc(): Libc | null {
  if (Deno.build.os !== "linux") return null;
  for (const name of LIBRARIES) {
    try {
      return Deno.dlopen(name, SYMBOLS).symbols;
    } catch {
      // Another C library, or FFI is not allowed.
    }
  }
  return null;
}

/** BBR where it can be had. What cannot be had is no error: the transfer is slower on bad lines. */
export function tuneSocket(conn: Deno.TcpConn): void {
  libc ??= openLibc();
  if (libc === null) return;
  try {
    const fd = descriptorOf(conn, libc);
    if (fd === undefined) return;
    const name = new TextEncoder().encode("bbr");
    libc.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, name.length);
  } catch {
    // No /proc, or not allowed to look there.
  }
}

/** The open descriptor with this connection's two ports. */
function descriptorOf(conn: Deno.TcpConn, calls: Libc): number | undefined {
  const { port: local } = conn.localAddr as Deno.NetAddr;
  const { port: remote } = conn.remoteAddr as Deno.NetAddr;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const fd = Number(name);
    if (portOf(fd, calls.getsockname) !== local) continue;
    if (portOf(fd, calls.getpeername) === remote) return fd;
  }
  return undefined;
}

function portOf(fd: number, name: Libc["getsockname"]): number | undefined {
  const address = new Uint8Array(128);
  const length = new Uint32Array([address.length]);
  if (name(fd, address, new Uint8Array(length.buffer)) !== 0) return undefined;
  const family = address[0]! | address[1]! << 8;
  if (family !== 2 && family !== 10) return undefined;
  return address[PORT_OFFSET]! << 8 | address[PORT_OFFSET + 1]!;
}
