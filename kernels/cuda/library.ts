/**
 * The CUDA library (cuda/): where it is, whether it is the right one, and the devices it finds.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";
import { builtCudaLibraryUrl, explicitCudaLibrary } from "./location.ts";
import { refusal } from "../trial_cache.ts";
import { OK } from "./status.ts";
import { CUDA_SYMBOLS, type CudaSymbols } from "./symbols.ts";

/** WARP_ABI_MAJOR and the least WARP_ABI_MINOR of warp_kernels.h. */
const ABI_MAJOR = 2;
const ABI_MINOR_LEAST = 0;

const BACKEND_CUDA = 1;
const INFO_BYTES = 40 + 64 + 64;
/** More than any machine has; a library that never says "no more" must not keep us. */
const DEVICES_MOST = 64;

/** Bits of {@link CudaDevice.capabilities}: WARP_CAP of warp_kernels.h. */
export const CAPABILITY = {
  boundary: 1 << 0,
  blake3: 1 << 1,
  aead: 1 << 2,
  lz4: 1 << 3,
  zstd: 1 << 4,
  entropy: 1 << 5,
  fused: 1 << 6,
  scheduler: 1 << 7,
  pinned: 1 << 8,
} as const;

/** warp_info of warp_kernels.h. */
export interface CudaDevice {
  index: number;
  /** `"NVIDIA H200"` */
  name: string;
  /** Versions of driver and runtime, and whether nvCOMP is there. */
  detail: string;
  capabilities: number;
  /** Multiprocessors. */
  units: number;
  /** 90 for 9.0. */
  computeCapability: number;
  memoryBytes: number;
  /** The largest item that is sure to fit. */
  batchBytesMax: number;
}

export interface CudaLibrary {
  symbols: CudaSymbols;
  /** At least one. */
  devices: readonly CudaDevice[];
  /** `"libwarp_cuda ABI 2.0, NVIDIA H200"` */
  description: string;
}

let opened: CudaLibrary | undefined;

/**
 * Opens `WARP_CUDA_LIB`, or else the library built in this tree, and looks for devices. Once per
 * Worker.
 *
 * @throws {WarpError} E_BACKEND_UNAVAILABLE when there is none, it has another interface, or there is
 * no device that it can use; the message says which.
 */
export function openCudaLibrary(): CudaLibrary {
  if (opened !== undefined) return opened;
  const path = explicitCudaLibrary() ?? builtCudaLibraryUrl();
  const reason = refusal("cuda", path);
  if (reason !== undefined) throw new WarpError("E_BACKEND_UNAVAILABLE", reason);
  return opened = openCudaAt(path);
}

/** Opens the library at `path`, whatever was opened before. */
export function openCudaAt(path: string | URL): CudaLibrary {
  const { symbols, version } = loadCudaAt(path);
  const devices = probeDevices(symbols);
  return { symbols, devices, description: `libwarp_cuda ABI ${version}, ${devices[0]!.name}` };
}

/**
 * The functions alone, without looking for a device.
 *
 * @throws {WarpError} E_BACKEND_UNAVAILABLE when there is no library, or it has another interface.
 */
export function loadCudaAt(path: string | URL): { symbols: CudaSymbols; version: string } {
  let library: Deno.DynamicLibrary<typeof CUDA_SYMBOLS>;
  try {
    library = Deno.dlopen(path, CUDA_SYMBOLS);
  } catch (error) {
    throw unavailable(path, error);
  }
  const version = library.symbols.warp_abi_version();
  const major = version >>> 16, minor = version & 0xffff;
  if (major !== ABI_MAJOR || minor < ABI_MINOR_LEAST) {
    library.close();
    throw new WarpError(
      "E_BACKEND_UNAVAILABLE",
      `${path} has interface ${major}.${minor}, not ${ABI_MAJOR}.${ABI_MINOR_LEAST}`,
      { hint: "run `deno task build:cuda` again" },
    );
  }
  return { symbols: library.symbols, version: `${major}.${minor}` };
}

/**
 * All devices that the library can use. Makes no context on them.
 *
 * @throws {WarpError} E_BACKEND_UNAVAILABLE when there is none; the message is the library's reason.
 */
export function probeDevices(symbols: CudaSymbols): CudaDevice[] {
  const devices: CudaDevice[] = [];
  let reason = "no device";
  for (let index = 0; index < DEVICES_MOST; index++) {
    const info = new Uint8Array(INFO_BYTES);
    new DataView(info.buffer).setUint32(0, INFO_BYTES, true);
    const status = symbols.warp_probe(index, info);
    const device = readInfo(index, info);
    if (status === OK) {
      devices.push(device);
      continue;
    }
    if (index === 0 && device.detail !== "") reason = device.detail;
    // A device that is there but too old does not hide the ones after it.
    if (device.name === "") break;
  }
  if (devices.length === 0) throw new WarpError("E_BACKEND_UNAVAILABLE", reason);
  return devices;
}

function readInfo(index: number, info: Uint8Array<ArrayBuffer>): CudaDevice {
  const view = new DataView(info.buffer);
  const text = (at: number) => {
    const bytes = info.subarray(at, at + 64), end = bytes.indexOf(0);
    return new TextDecoder().decode(bytes.subarray(0, end < 0 ? 64 : end));
  };
  const backend = view.getUint32(4, true);
  if (backend !== BACKEND_CUDA) {
    throw new WarpError("E_BACKEND_UNAVAILABLE", `the library is of kind ${backend}, not CUDA`);
  }
  return {
    index,
    capabilities: view.getUint32(8, true),
    units: view.getUint32(12, true),
    computeCapability: view.getUint32(16, true),
    memoryBytes: Number(view.getBigUint64(24, true)),
    batchBytesMax: Number(view.getBigUint64(32, true)),
    name: text(40),
    detail: text(104),
  };
}

function unavailable(path: string | URL, error: unknown): WarpError {
  const message = error instanceof Error ? error.message.split("\n", 1)[0]! : String(error);
  const hint = "run `deno task build:cuda`, or set WARP_CUDA_LIB";
  if (error instanceof Deno.errors.NotCapable) {
    return new WarpError("E_BACKEND_UNAVAILABLE", "no permission for FFI", { cause: error });
  }
  const isAbsent = /cannot open shared object|no such file|could not be found/i.test(message);
  return new WarpError(
    "E_BACKEND_UNAVAILABLE",
    isAbsent ? "not built (deno task build:cuda)" : `${path}: ${message}`,
    { hint, cause: error },
  );
}
