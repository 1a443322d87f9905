/**
 * The device: owns one GPU, its context and its memory.
 *
 * @module
 */
import { CudaContext } from "../../kernels/cuda/context.ts";
import { openCudaLibrary } from "../../kernels/cuda/library.ts";
import { testDevice } from "../../kernels/cuda/self_test.ts";
import { loadKernels } from "../../kernels/load.ts";
import { toWireError, WarpError } from "../base/errors.ts";
import { defineActor } from "../runtime/define_actor.ts";
import { DeviceBlocks } from "./device_blocks.ts";
import { isWorth, measureDevice } from "./measure.ts";
import type { DeviceChoice, DeviceInit, DeviceProtocol } from "./protocol.ts";

interface DeviceState {
  /** Undefined: there is no device, or it has failed. */
  work: { context: CudaContext; blocks: DeviceBlocks } | undefined;
  name: string;
  /** Why there is none. */
  reason: string;
}

type State = DeviceState & { init: DeviceInit };

export const device = defineActor<DeviceProtocol, State, DeviceInit>()({
  name: "device",
  init: async (init) => {
    try {
      const library = openCudaLibrary();
      const context = new CudaContext(library, { device: init.index });
      try {
        testDevice(context);
      } catch (error) {
        await context.close();
        throw error;
      }
      const blocks = new DeviceBlocks(context, await loadKernels());
      const name = library.devices[init.index]?.name ?? "";
      return { init, work: { context, blocks }, name, reason: "" };
    } catch (error) {
      return { init, work: undefined, name: "", reason: toWireError(error).message };
    }
  },
  calls: {
    choose: async (state, { ciphers }) => await choose(state, ciphers),
    hash: (state, request) => run(state, (blocks) => blocks.hash(request)),
    leaves: (state, { slab, offset, length }) =>
      run(state, (blocks) => blocks.leaves(new Uint8Array(slab, offset, length))),
    seal: (state, request) => run(state, (blocks) => blocks.seal(request)),
  },
  stop: async (state) => {
    await state.work?.context.close();
  },
});

async function choose(state: State, ciphers: number): Promise<DeviceChoice> {
  const { name, reason, work, init } = state;
  const none = { name: "", hash: false, leaves: false, seal: false };
  if (work === undefined) return { ...none, reason };
  if (init.isForced) return { name, hash: true, leaves: true, seal: true, reason: "forced" };
  try {
    const measured = await measureDevice(work.blocks, await loadKernels());
    const hash = isWorth(measured.hash, ciphers), seal = isWorth(measured.seal, ciphers);
    const show = (what: "hash" | "seal") =>
      `${what} ${measured[what].device.toFixed(1)} GB/s against ${ciphers} x ` +
      measured[what].cipher.toFixed(1);
    return { name, hash, leaves: hash, seal, reason: `${show("hash")}, ${show("seal")}` };
  } catch (error) {
    return { ...none, reason: await lose(state, error) };
  }
}

/** A device that fails is never used again: what it was asked for is done elsewhere. */
async function run<T>(state: State, work: (blocks: DeviceBlocks) => Promise<T>): Promise<T> {
  if (state.work === undefined) throw new WarpError("E_BACKEND_UNAVAILABLE", state.reason);
  try {
    return await work(state.work.blocks);
  } catch (error) {
    throw new WarpError("E_BACKEND_UNAVAILABLE", await lose(state, error), { cause: error });
  }
}

async function lose(state: State, error: unknown): Promise<string> {
  const { work } = state;
  state.work = undefined;
  state.reason = `${state.name} failed: ${toWireError(error).message}`;
  await work?.context.close();
  return state.reason;
}
