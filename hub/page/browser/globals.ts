/**
 * Put before every bundle: what shared modules name and a browser does not have.
 *
 * @module
 */

/** actors/base/errors.ts asks whether an error is one of these; here none is. */
export const Deno = {
  errors: {
    NotFound: class extends Error {},
    AlreadyExists: class extends Error {},
    PermissionDenied: class extends Error {},
    BrokenPipe: class extends Error {},
  },
};

/** Reading a stream with `for await`: Safari has it since 26.4. */
type Iterated = ReadableStream<unknown> & { [Symbol.asyncIterator]?: unknown };
const streams = ReadableStream.prototype as Iterated;
if (streams[Symbol.asyncIterator] === undefined) {
  Object.defineProperty(streams, Symbol.asyncIterator, {
    value: async function* (this: ReadableStream<unknown>) {
      const reader = this.getReader();
      let isDone = false;
      try {
        while (true) {
          const { done, value } = await reader.read();
          isDone = done;
          if (done) return;
          yield value;
        }
      } finally {
        if (!isDone) await reader.cancel().catch(() => {});
        reader.releaseLock();
      }
    },
  });
}

/**
 * On plain http there is no WebCrypto at all. age-encryption falls back to noble only when told that
 * WebCrypto does not know X25519.
 */
if (crypto.subtle === undefined) {
  const refuse = () =>
    Promise.reject(new DOMException("no WebCrypto on plain http", "NotSupportedError"));
  Object.defineProperty(crypto, "subtle", { value: { importKey: refuse, generateKey: refuse } });
}
