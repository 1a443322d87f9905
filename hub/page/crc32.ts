/**
 * CRC-32 (ISO 3309), as ZIP has it.
 *
 * @module
 */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? value >>> 1 ^ 0xedb8_8320 : value >>> 1;
  return value;
});

export class Crc32 {
  #state = 0xffff_ffff;

  add(bytes: Uint8Array): void {
    let state = this.#state;
    for (let i = 0; i < bytes.length; i++) state = TABLE[(state ^ bytes[i]!) & 0xff]! ^ state >>> 8;
    this.#state = state;
  }

  get value(): number {
    return (this.#state ^ 0xffff_ffff) >>> 0;
  }
}
