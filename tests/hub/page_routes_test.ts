/**
 * @module Tests of hub/routes/pages.ts and of what is built: headers, encodings, and that nothing comes from
 * elsewhere.
 */
import assert from "node:assert/strict";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { openPages } from "../../hub/page/pages_io.ts";
import { CONTENT_POLICY } from "../../hub/routes/pages.ts";
import { type Scene, withScene } from "./page_support.ts";

/** fetch() would undo the encoding and say nothing of it. */
async function raw({ hub }: Scene, target: string, headers: string[] = []) {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: hub.port });
  const lines = [`GET ${target} HTTP/1.1`, "host: hub", "connection: close", ...headers, "", ""];
  await conn.write(new TextEncoder().encode(lines.join("\r\n")));
  const all = new Uint8Array(await new Response(conn.readable).arrayBuffer());
  const text = new TextDecoder("latin1").decode(all);
  const end = text.indexOf("\r\n\r\n");
  const [first, ...rest] = text.slice(0, end).split("\r\n");
  return {
    status: Number(first!.split(" ")[1]),
    headers: new Headers(
      rest.map((line) => line.split(/: ?(.*)/s).slice(0, 2) as [string, string]),
    ),
    body: all.subarray(end + 4),
  };
}

Deno.test("pages and assets: guarded, cached by their names, compressed as the client likes", () =>
  withScene(async (scene) => {
    for (const target of ["/", "/p/AAAAAAAAAAAAAAAAAAAAAA", "/p/whatever"]) {
      const { status, headers, body } = await raw(scene, target);
      assert.equal(status, 200);
      assert.equal(headers.get("content-security-policy"), CONTENT_POLICY);
      assert.equal(headers.get("referrer-policy"), "no-referrer");
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("cache-control"), "no-cache");
      const html = new TextDecoder().decode(body);
      assert.doesNotMatch(html, /<script(?![^>]* src=)|<style|\son\w+=|style=|https?:|@[A-Z]+@/);
    }
    const { manifest } = await openPages();
    const names = Object.keys(manifest.assets);
    assert.equal(names.length, 5);
    for (const name of names) {
      assert.match(name, /-[\w-]{12}\.(js|css)$/);
      const plain = await raw(scene, `/assets/${name}`);
      assert.equal(plain.status, 200);
      assert.equal(plain.headers.get("content-encoding"), null);
      assert.equal(plain.headers.get("cache-control"), "public, max-age=31536000, immutable");
      assert.equal(plain.headers.get("content-security-policy"), CONTENT_POLICY);
      assert.match(plain.headers.get("content-type")!, /^text\/(javascript|css); charset=utf-8$/);
      const accept = (what: string) => raw(scene, `/assets/${name}`, [`accept-encoding: ${what}`]);
      const br = await accept("gzip, deflate, br");
      assert.equal(br.headers.get("content-encoding"), "br");
      assert.deepEqual(new Uint8Array(brotliDecompressSync(br.body)), plain.body);
      const gzip = await accept("gzip, br;q=0");
      assert.equal(gzip.headers.get("content-encoding"), "gzip");
      assert.deepEqual(new Uint8Array(gunzipSync(gzip.body)), plain.body);
      assert.doesNotMatch(
        new TextDecoder().decode(plain.body),
        /\beval\(|sourceMappingURL|\bnode:/,
      );
    }
    for (const name of ["manifest.json", "..%2fmanifest.json", "toString", `${names[0]}.br`]) {
      assert.equal((await raw(scene, `/assets/${name}`)).status, 404, name);
    }
  }));
