/**
 * The pages: what opens a link, and the owner's dashboard.
 *
 * They are static: a link's secret stands in the fragment, which no browser sends, and everything else is
 * asked for by scripts. The policy lets nothing but these files run.
 *
 * @module
 */
import type { Context } from "hono";
import { WarpError } from "../../actors/base/errors.ts";
import type { HubApp, HubEnv } from "../http.ts";
import type { Hub } from "../hub.ts";
import type { Manifest } from "../page/manifest.ts";
import { openPages } from "../page/pages_io.ts";

export const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const GUARDS = {
  "content-security-policy": CONTENT_POLICY,
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
} as const;
const TYPES: Readonly<Record<string, string>> = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
};
const ENDINGS = { br: ".br", gzip: ".gz" } as const;
/** The names have a hash of the content in them. */
const FOR_GOOD = "public, max-age=31536000, immutable";

export function pageRoutes(app: HubApp, _hub: Hub): void {
  const page = async (c: Context<HubEnv>, name: string) => {
    const { manifest } = await openPages();
    const html = manifest.pages[name];
    if (html === undefined) throw nothing();
    return c.body(html, 200, {
      ...GUARDS,
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-cache",
    });
  };
  app.get("/", (c) => page(c, "dashboard"));
  // What is no id is told so by the page, which sees the rest of the link too.
  app.get("/p/:portal", (c) => page(c, "link"));
  app.get("/assets/:name", async (c) => {
    const { manifest, read } = await openPages();
    const name = c.req.param("name");
    if (!Object.hasOwn(manifest.assets, name)) throw nothing();
    const encoding = encodingFor(manifest, name, c.req.header("accept-encoding") ?? "");
    return c.body(await read(name + (encoding === null ? "" : ENDINGS[encoding])), 200, {
      ...GUARDS,
      "content-type": TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream",
      "cache-control": FOR_GOOD,
      vary: "accept-encoding",
      ...(encoding === null ? {} : { "content-encoding": encoding }),
    });
  });
}

function encodingFor(
  { assets }: Manifest,
  name: string,
  accepted: string,
): "br" | "gzip" | null {
  const names = accepted.split(",")
    .map((one) => one.trim().toLowerCase())
    .filter((one) => !/;\s*q=0(\.0*)?$/.test(one))
    .map((one) => one.split(";")[0]!.trim());
  return assets[name]!.find((encoding) => names.includes(encoding)) ?? null;
}

function nothing(): WarpError {
  return new WarpError("E_NOT_FOUND", "there is nothing here");
}
