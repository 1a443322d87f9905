/** Two put into one portal at the same time: who is second begins again, and nothing is lost. */
import assert from "node:assert/strict";
import { createSigner, verifySignature } from "../../actors/cipher/signature.ts";
import { deviceAccess } from "../../actors/portal/access_io.ts";
import { fromBase64Url, toBase64Url } from "../../actors/portal/base64url.ts";
import { Directory } from "../../actors/portal/directory.ts";
import { createPortal } from "../../actors/portal/operations.ts";
import { putIntoPortal } from "../../actors/portal/put_io.ts";
import { kernels, withChunker, writeTree } from "../actors/portal/content_support.ts";
import { SYSTEM_CLOCK } from "../../hub/hub.ts";
import { enrol, random, withHub } from "../support/hub.ts";

/** Passes requests on to a hub; before one to add a version, something else may happen. */
function startProxy(to: string, before: () => Promise<void>) {
  const refused: number[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      const isVersion = request.method === "POST" && pathname.endsWith("/versions");
      const body = request.method === "GET" ? undefined : await request.arrayBuffer();
      if (isVersion) await before();
      const answer = await fetch(to + pathname + search, {
        method: request.method,
        headers: request.headers,
        ...(body === undefined ? {} : { body }),
      });
      if (isVersion && !answer.ok) refused.push(answer.status);
      return new Response(await answer.arrayBuffer(), {
        status: answer.status,
        headers: { "content-type": answer.headers.get("content-type") ?? "" },
      });
    },
  );
  const { port } = server.addr;
  return { url: `http://127.0.0.1:${port}`, refused, stop: () => server.shutdown() };
}

Deno.test("who is second begins again, on top of what the first has put", async () => {
  const dir = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "warp-test-put-race-" });
  try {
    writeTree(`${dir}/a`, { "one.txt": "one", "same.bin": random(60_000) });
    writeTree(`${dir}/b`, { "two.txt": "two" });
    await withHub({ clock: SYSTEM_CLOCK }, (at) =>
      withChunker(async (chunker) => {
        const owner = await enrol(at), client = owner.client();
        const hubKey = fromBase64Url(at.running.key);
        const access = deviceAccess(owner.ring, at.url, hubKey);
        const desk = {
          ...{ client, directory: new Directory(client, verifySignature), verify: verifySignature },
          ...{ key: createSigner(access.signingSeed), identities: access.identities, random },
          account: owner.account,
        };
        const policy = '{"kind":"all","of":[]}';
        const id = toBase64Url(await createPortal(desk, { name: "race", policy, isOpen: true }));
        const put = (url: string, source: string, reader = chunker) =>
          putIntoPortal({
            access: { ...access, url },
            portal: id,
            sources: [source],
            excludes: [],
          }, {
            kernels,
            chunker: reader,
            signal: new AbortController().signal,
            onProgress: () => {},
          });

        let left = 2;
        const others: number[] = [];
        const proxy = startProxy(at.url, async () => {
          if (left-- > 0) {
            others.push((await put(at.url, left === 1 ? `${dir}/b` : `${dir}/a/one.txt`)).version);
          }
        });
        try {
          const done = await put(proxy.url, `${dir}/a`);
          assert.deepEqual(others, [1, 2]);
          assert.equal(done.version, 3);
          assert.deepEqual(proxy.refused, [409, 409], "E_BUSY, twice");
          assert.equal(done.files, 2);
          const { version } = await owner.do("GET", `/v1/portals/${id}`);
          assert.equal(version, 3);
        } finally {
          await proxy.stop();
        }
        // Both at once, without any help: both are there in the end.
        await withChunker(async (another) => {
          const both = await Promise.all([
            put(at.url, `${dir}/b`),
            put(at.url, `${dir}/a/one.txt`, another),
          ]);
          assert.deepEqual(both.map(({ version }) => version).sort(), [4, 5]);
        });
      }));
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
