/**
 * GPUs for `warp doctor`: which there are, whether they work, and what is to be known of them.
 *
 * @module
 */
import { toHex } from "../actors/base/bytes.ts";
import { toWireError } from "../actors/base/errors.ts";
import { CudaContext } from "./cuda/context.ts";
import { openCudaLibrary } from "./cuda/library.ts";
import { testDevice } from "./cuda/self_test.ts";

/** Of 3000 bytes that are 7. */
const BLAKE3_OF_SEVENS = "9e89044382c8cda4ee37449ba0933b1619b9b6a47aa804566cc0b582bbc07761";

export interface DeviceReport {
  backend: "cuda" | "webgpu";
  /** Number for `WARP_DEVICE`; -1 when there is no device. */
  index: number;
  name: string;
  isPresent: boolean;
  /** Present, and its answers are right. */
  isUsable: boolean;
  reason: string;
}

/** Every CUDA device, or one row that says why there is none. May take a second; may crash with a bad driver. */
export async function cudaDevices(): Promise<DeviceReport[]> {
  try {
    const library = openCudaLibrary();
    const rows: DeviceReport[] = [];
    for (const { index, name, detail } of library.devices) {
      rows.push({ ...await tryCuda(index), index, name: `${name}, ${detail}` });
    }
    return rows;
  } catch (error) {
    return [none("cuda", error)];
  }
}

async function tryCuda(device: number) {
  const known = { backend: "cuda" as const, isPresent: true };
  try {
    const context = new CudaContext(openCudaLibrary(), { device });
    try {
      testDevice(context);
      return {
        ...known,
        isUsable: true,
        reason: "used by create where it is measured to be faster",
      };
    } finally {
      await context.close();
    }
  } catch (error) {
    return { ...known, isUsable: false, reason: toWireError(error).message };
  }
}

/** The WebGPU adapter, or why there is none. A software adapter is not used by itself. */
export async function webGpuDevices(): Promise<DeviceReport[]> {
  try {
    const { WebGpuKernels } = await import("./webgpu/kernels.ts");
    const kernels = await WebGpuKernels.open({ allowSoftware: true });
    try {
      const { adapter, isSoftware } = kernels.describe();
      const text = new Uint8Array(3000).fill(7);
      const digest = await kernels.blake3Many(text, [0, 3000]);
      const isUsable = toHex(digest) === BLAKE3_OF_SEVENS;
      const reason = isSoftware
        ? "computes on the CPU: for tests only"
        : "for `warp bench kernels --backend webgpu`";
      return [{ backend: "webgpu", index: 0, name: adapter, isPresent: true, isUsable, reason }];
    } finally {
      kernels.close();
    }
  } catch (error) {
    return [none("webgpu", error)];
  }
}

function none(backend: DeviceReport["backend"], error: unknown): DeviceReport {
  const reason = toWireError(error).message;
  return { backend, index: -1, name: "", isPresent: false, isUsable: false, reason };
}
