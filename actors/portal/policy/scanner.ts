/**
 * Reads a text piece by piece, and says where it went wrong.
 *
 * @module
 */
import { WarpError } from "../../base/errors.ts";

export class Scanner {
  #at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
    this.#skipSpace();
  }

  /** Where the next piece begins, from 0. */
  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  /** The next piece, if it is like this. The pattern is sticky (`/…/y`). */
  peek(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0];
  }

  /** Takes the next piece, if it is like this, and the space behind it. */
  take(pattern: RegExp): string | undefined {
    const found = this.peek(pattern);
    if (found === undefined) return undefined;
    this.#at += found.length;
    this.#skipSpace();
    return found;
  }

  /** @throws {WarpError} E_CONFIG naming what should stand here, when the next piece is not like this */
  expect(pattern: RegExp, expected: string): string {
    const found = this.take(pattern);
    if (found === undefined) throw this.wrong(expected);
    return found;
  }

  /** An error about the piece at `at`: by default, the next one. */
  wrong(expected: string, at: number = this.#at): WarpError {
    const rest = this.#text.slice(at, at + 24);
    const piece = /^[(),]|^[^\s(),]+/.exec(rest)?.[0];
    const found = piece === undefined ? "the end" : JSON.stringify(piece);
    const column = at + 1;
    return new WarpError("E_CONFIG", `column ${column}: expected ${expected}, found ${found}`, {
      details: { column, expected },
    });
  }

  #skipSpace(): void {
    while (" \t\r\n".includes(this.#text.charAt(this.#at)) && !this.isAtEnd) this.#at++;
  }
}
