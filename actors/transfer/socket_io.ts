/**
 * What Deno does not offer of a socket: of TCP the congestion control of the sending side, and how much waits
 * in the kernel; of UDP how much may arrive while this process is busy.
 *
 * On a path that loses one packet in two hundred, CUBIC sends a hundredth of what BBR does
 * (bench/RESULTS.md). The kernel allows it to anybody where an administrator has listed it, and to root.
 *
 * @module
 */
import { equal } from "../base/bytes.ts";
import { KiB, MiB } from "../base/units.ts";
import { parseIpv6 } from "./ticket.ts";

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SOCK_DGRAM = 2;
const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;
const TCP_NOTSENT_LOWAT = 25;
/**
 * The kernel would take megabytes that it cannot send yet: what is urgent would wait behind them, and a lane
 * that has become slow would hold them while others are idle.
 */
const UNSENT_BYTES_MAX = 256 * KiB;
/** The kernel gives no more than net.core.rmem_max, mostly less than this. */
const DATAGRAM_BUFFER_BYTES = 4 * MiB;
/** A network byte order port stands here in sockaddr_in and sockaddr_in6 alike. */
const PORT_OFFSET = 2;
/** By address family: where the address stands. */
const ADDRESS: Readonly<Record<number, { start: number; length: number }>> = {
  2: { start: 4, length: 4 },
  10: { start: 8, length: 16 },
};

const SYMBOLS = {
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
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

/**
 * BBR where it can be had, and short queues. What cannot be had is no error: the transfer is slower on bad
 * lines.
 */
export function tuneSocket(conn: Pick<Deno.Conn, "localAddr" | "remoteAddr">): void {
  libc ??= openLibc();
  if (libc === null) return;
  try {
    const fd = descriptorOf(conn, libc);
    if (fd === undefined) return;
    const name = new TextEncoder().encode("bbr");
    libc.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, name.length);
    const unsent = cInt(UNSENT_BYTES_MAX);
    libc.setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent, unsent.length);
  } catch {
    // No /proc, or not allowed to look there.
  }
}

/**
 * Room for what arrives at this UDP port: the default holds 2 ms of a fast line, and what finds it full is
 * lost.
 */
export function tuneDatagrams(port: number): void {
  libc ??= openLibc();
  if (libc === null) return;
  const { getsockname, getsockopt, setsockopt } = libc;
  try {
    const size = cInt(DATAGRAM_BUFFER_BYTES);
    for (const { name } of Deno.readDirSync("/proc/self/fd")) {
      const fd = Number(name), type = cInt(0);
      getsockopt(fd, SOL_SOCKET, SO_TYPE, type, cInt(type.length));
      if (type[0] !== SOCK_DGRAM || nameOf(fd, getsockname)?.port !== port) continue;
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size, size.length);
      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, size, size.length);
    }
  } catch {
    // No /proc, or not allowed to look there.
  }
}

/** A C int. */
function cInt(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Int32Array([value]).buffer);
}

/** The open descriptor with this connection's two ends: a listener has many with its own port. */
function descriptorOf(
  { localAddr, remoteAddr }: Pick<Deno.Conn, "localAddr" | "remoteAddr">,
  calls: Libc,
): number | undefined {
  const local = localAddr as Deno.NetAddr, remote = remoteAddr as Deno.NetAddr;
  const address = addressOf(remote.hostname);
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const fd = Number(name);
    if (nameOf(fd, calls.getsockname)?.port !== local.port) continue;
    const far = nameOf(fd, calls.getpeername);
    if (far?.port !== remote.port) continue;
    // An IPv4 address may stand at the end of an IPv6 one.
    if (address === undefined || equal(far.address.subarray(-address.length), address)) return fd;
  }
  return undefined;
}

/** 4 or 16 bytes; undefined: the ports alone must do. */
function addressOf(host: string): Uint8Array | undefined {
  const v4 = /(?:^|:)(\d{1,3}(?:\.\d{1,3}){3})$/.exec(host)?.[1];
  if (v4 !== undefined) return Uint8Array.from(v4.split("."), Number);
  return parseIpv6(host.replace(/%.*$/, ""));
}

function nameOf(
  fd: number,
  call: Libc["getsockname"],
): { port: number; address: Uint8Array } | undefined {
  const name = new Uint8Array(128);
  const length = new Uint32Array([name.length]);
  if (call(fd, name, new Uint8Array(length.buffer)) !== 0) return undefined;
  const place = ADDRESS[name[0]! | name[1]! << 8];
  if (place === undefined) return undefined;
  return {
    port: name[PORT_OFFSET]! << 8 | name[PORT_OFFSET + 1]!,
    address: name.subarray(place.start, place.start + place.length),
  };
}
