/**
 * zod without OpenAPI, for browsers: stands in for `@hono/zod-openapi` when the pages are built.
 *
 * @module
 */
import * as z from "zod";

// Compiling schemas needs eval, and only asking whether it is there breaks the page's policy.
z.config({ jitless: true });

/** Descriptions are for the hub's own document. zod gives what is on this prototype to every schema. */
Object.assign(z.ZodType.prototype, {
  openapi<T>(this: T): T {
    return this;
  },
});

export { z };
