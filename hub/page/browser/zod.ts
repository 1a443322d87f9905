/**
 * zod without OpenAPI, for browsers: stands in for `@hono/zod-openapi` when the pages are built.
 *
 * @module
 */
import {
  array,
  boolean,
  config,
  discriminatedUnion,
  enum as enumeration,
  literal,
  number,
  object,
  string,
  ZodType,
} from "zod";

// Compiling schemas needs eval, and only asking whether it is there breaks the page's policy.
config({ jitless: true });

/** Descriptions are for the hub's own document. zod gives what is on this prototype to every schema. */
Object.assign(ZodType.prototype, {
  openapi<T>(this: T): T {
    return this;
  },
});

/** What the client's side uses, and no more: the rest of zod stays out of the bundle. */
export const z = {
  array,
  boolean,
  discriminatedUnion,
  enum: enumeration,
  literal,
  number,
  object,
  string,
};
