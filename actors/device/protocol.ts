/**
 * What the device understands: the calls of a cipher that a GPU can do, and what it is.
 *
 * It keeps no state between calls, so that a call which is lost with the device may be repeated on a
 * cipher. Slabs are lent for the length of a call.
 *
 * @module
 */
import type { CipherProtocol } from "../cipher/protocol.ts";

export interface DeviceInit {
  /** Which of the devices. */
  index: number;
  /** Use it whatever was measured: for tests. */
  isForced: boolean;
}

/** Which calls are worth sending, by measurement; the device may be gone meanwhile. */
export interface DeviceChoice {
  /** `"NVIDIA H200"`; empty when there is no device. */
  name: string;
  hash: boolean;
  leaves: boolean;
  seal: boolean;
  /** For people: what was measured, or why there is no device. */
  reason: string;
}

export type DeviceProtocol = {
  calls: {
    /** Measures the device against `ciphers` ciphers, once. */
    choose: { request: { ciphers: number }; reply: DeviceChoice };
    hash: CipherProtocol["calls"]["hash"];
    leaves: CipherProtocol["calls"]["leaves"];
    /** Of stored blocks of an encrypted archive only: compression is left to ciphers. */
    seal: CipherProtocol["calls"]["seal"];
  };
};
