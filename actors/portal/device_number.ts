/**
 * Numbers of devices. Loaded to parse command lines, so it imports no cryptography.
 *
 * @module
 */

/** The largest number that a `device` record may have. */
export const DEVICE_NUMBER_MAX = 2 ** 31;

/** Devices are counted from 1 (docs/crypto.md §1). */
export function isDeviceNumber(number: number): boolean {
  return Number.isInteger(number) && number >= 1 && number <= DEVICE_NUMBER_MAX;
}
