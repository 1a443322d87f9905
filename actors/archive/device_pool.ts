/**
 * Ciphers with a GPU beside them: calls that the device does better go to it, and back to the ciphers
 * for good when it fails.
 *
 * @module
 */
import { isWarpError, toWireError } from "../base/errors.ts";
import type { CipherProtocol, SealRequest } from "../cipher/protocol.ts";
import type { DeviceChoice, DeviceProtocol } from "../device/protocol.ts";
import type { ActorRef } from "../runtime/actor_ref.ts";
import type { ReplyOf, RequestOf } from "../runtime/protocol.ts";
import { type Ciphers, isLost } from "./cipher_pool.ts";

type Calls = CipherProtocol["calls"];

const DEADLINE_MS = 60_000;

export class DevicePool implements Ciphers {
  readonly #ciphers: Ciphers;
  readonly #device: ActorRef<DeviceProtocol>;
  #choice: DeviceChoice | undefined;
  /** What became of the device, for people; the first line is why it was chosen or not. */
  readonly notes: string[] = [];
  /** Calls that the device did. */
  served = 0;
  /** Settled when it is known whether the device is used. */
  readonly isReady: Promise<void>;

  /** Begins with the ciphers alone; the device joins when it has been measured. */
  constructor(ciphers: Ciphers, device: ActorRef<DeviceProtocol>) {
    this.#ciphers = ciphers;
    this.#device = device;
    this.isReady = device.call("choose", { ciphers: ciphers.size }, { deadlineMs: DEADLINE_MS })
      .then(
        (choice) => {
          this.#choice = choice;
          this.notes.push(choice.name === "" ? choice.reason : `${choice.name}: ${choice.reason}`);
        },
        (error) => {
          this.notes.push(toWireError(error).message);
        },
      );
  }

  get size(): number {
    return this.#ciphers.size;
  }

  async call<Op extends keyof Calls>(
    op: Op,
    request: () => RequestOf<Calls[Op]>,
    signal: AbortSignal,
  ): Promise<ReplyOf<Calls[Op]>> {
    if (op === "open" || this.#choice?.[op as "hash" | "leaves" | "seal"] !== true) {
      return await this.#ciphers.call(op, request, signal);
    }
    let first: RequestOf<Calls[Op]> | undefined = request();
    if (op !== "seal" || isForDevice(first as SealRequest)) {
      try {
        const options = { deadlineMs: DEADLINE_MS, signal };
        const reply = await this.#device.call(op as "hash", first as never, options);
        this.served++;
        return reply as unknown as ReplyOf<Calls[Op]>;
      } catch (error) {
        const isGone = isLost(error) || isWarpError(error, "E_BACKEND_UNAVAILABLE");
        if (!isGone || signal.aborted) throw error;
        if (this.#choice !== undefined) this.notes.push(toWireError(error).message);
        this.#choice = undefined;
        first = undefined;
      }
    }
    // The first attempt takes the request that was already made.
    const again = () => {
      const made = first ?? request();
      first = undefined;
      return made;
    };
    return await this.#ciphers.call(op, again, signal);
  }
}

/** A device seals, but leaves compression to ciphers. */
function isForDevice(request: SealRequest): boolean {
  return request.secrets.archiveKey !== undefined &&
    request.blocks.every(({ choice }) => choice.codec === 0);
}
