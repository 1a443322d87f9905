import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { isWarpError } from "../../../actors/base/errors.ts";
import { nameOf } from "../../../hub/blobs/blobs.ts";
import { openS3, parseS3 } from "../../../hub/blobs/s3_io.ts";
import { Random } from "../../support/random.ts";
import { CREDENTIALS, startS3 } from "../../support/s3.ts";
import { addressOf, blobsContract, listed } from "./blobs_contract.ts";

const LIMITS = { bytesMax: 1 << 20 };
const FAST = { credentials: CREDENTIALS, pauseMs: 1, random: () => 0.5 };
const server = await startS3();

if (server !== undefined) {
  blobsContract("bucket", async () => {
    const address = server.make();
    return {
      blobs: await openS3(address, FAST),
      again: () => openS3(address, FAST),
      remove: () => Promise.resolve(),
    };
  });

  Deno.test("bucket: the server goes and comes back", async () => {
    const blobs = await openS3(server.make(), FAST);
    const bytes = new Random(1).bytes(1000), name = { address: addressOf(bytes), copy: 1 };
    await blobs.put(name, bytes, LIMITS);
    await server.stop();
    const isGone = (error: unknown) =>
      isWarpError(error, "E_STORE") && !/127\.0\.0\.1|S3RVER/.test(String(error.stack));
    await assert.rejects(blobs.get(name), isGone);
    await assert.rejects(blobs.has(name), isGone);
    await assert.rejects(blobs.put(name, bytes, LIMITS), isGone);
    await assert.rejects(blobs.delete(name), isGone);
    await assert.rejects(listed(blobs), isGone);
    await server.start();
    assert.equal((await blobs.get(name))?.bytes, 1000);
    await blobs.close();
  });

  Deno.test("bucket: one that is not there, and wrong credentials", async () => {
    const isGone = (error: unknown) => isWarpError(error, "E_STORE");
    await assert.rejects(openS3(server.make().replace("warp", "nobody"), FAST), isGone);
    const credentials = { accessKeyId: "GEHEIM", secretAccessKey: "geheim" };
    await assert.rejects(
      openS3(server.make(), { ...FAST, credentials }),
      (error) => isGone(error) && !String((error as Error).stack).toLowerCase().includes("geheim"),
    );
  });
}

/** A server that answers as it is told. */
async function withServer(
  answer: (request: Request, count: number) => Response | Promise<Response>,
  use: (address: string, count: () => number) => Promise<void>,
): Promise<void> {
  let count = 0;
  const stub = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      await request.arrayBuffer();
      return await answer(request, ++count);
    },
  );
  try {
    await use(`s3://warp/x?endpoint=http://127.0.0.1:${stub.addr.port}`, () => count);
  } finally {
    await stub.shutdown();
  }
}

const EMPTY = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

Deno.test("bucket: what fails for a while is tried again, but not for ever", async () => {
  await withServer(
    (_, count) => count === 3 ? new Response(EMPTY) : new Response("slow down", { status: 503 }),
    async (address, count) => {
      const blobs = await openS3(address, FAST);
      assert.equal(count(), 3);
      await assert.rejects(listed(blobs), (error) => isWarpError(error, "E_STORE"));
      assert.equal(count(), 7);
    },
  );
});

Deno.test("bucket: one that does not answer is given up", async () => {
  const held = Promise.withResolvers<Response>();
  await withServer(async () => (await held.promise).clone(), async (address) => {
    await assert.rejects(
      openS3(address, { ...FAST, timeoutMs: 30, triesMax: 2 }),
      (error) => isWarpError(error, "E_STORE"),
    );
    held.resolve(new Response(""));
  });
});

Deno.test("bucket: damaged bytes are noticed, and got again once", async () => {
  const bytes = new Random(1).bytes(1000), name = { address: addressOf(bytes), copy: 1 };
  const damaged = bytes.slice();
  damaged[7]! ^= 1;
  let good = false;
  await withServer(
    ({ url }, count) =>
      url.includes("list-type")
        ? new Response(EMPTY)
        : new Response(good && count % 2 === 1 ? bytes : damaged),
    async (address) => {
      const blobs = await openS3(address, FAST);
      await assert.rejects(blobs.get(name), (error) => isWarpError(error, "E_INTEGRITY"));
      good = true;
      assert.equal((await blobs.get(name))?.bytes, 1000);
    },
  );
});

Deno.test("bucket: a store without ranges, one that gives more, one that refuses", async () => {
  const bytes = new Random(1).bytes(1000), name = { address: addressOf(bytes), copy: 1 };
  const part = (from: number, to: number) =>
    new Response(bytes.slice(from, to), {
      status: 206,
      headers: { "content-range": `bytes ${from}-${to - 1}/1000` },
    });
  const answers: (() => Response)[] = [
    () => new Response(bytes),
    () => part(50, 300),
    () => part(150, 200), // less than was asked for
    () => new Response(null, { status: 206 }),
    () => new Response(null, { status: 416 }),
    () => new Response(null, { headers: { "content-length": "1000" } }),
  ];
  await withServer(
    ({ url }) => url.includes("list-type") ? new Response(EMPTY) : answers.shift()!(),
    async (address) => {
      const blobs = await openS3(address, FAST);
      const get = () => blobs.get(name, { start: 100, end: 200 });
      const expected = { bytes: 1000, body: bytes.slice(100, 200) };
      assert.deepEqual(await get(), expected);
      assert.deepEqual(await get(), expected);
      await assert.rejects(get(), (error) => isWarpError(error, "E_STORE"));
      await assert.rejects(get(), (error) => isWarpError(error, "E_STORE"));
      assert.deepEqual(await get(), { bytes: 1000, body: new Uint8Array(0) });
    },
  );
});

Deno.test("bucket: a long list comes in pages; strange names in it are left out", async () => {
  const bytes = new Random(1).bytes(10), address = addressOf(bytes);
  const page = (copies: number[], rest: string) =>
    `<?xml version="1.0"?><ListBucketResult xmlns="x">${rest}${
      copies.map((copy) =>
        `<Contents><Key>x/${nameOf({ address, copy })}</Key><Size>10</Size></Contents>`
      ).join("")
    }<Contents><Key>x/README</Key><Size>1</Size></Contents></ListBucketResult>`;
  const asked: (string | null)[] = [];
  await withServer((request) => {
    const query = new URL(request.url).searchParams;
    assert.equal(query.get("prefix"), "x/");
    asked.push(query.get("continuation-token"));
    const more =
      "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b/+</NextContinuationToken>";
    const isLast = query.get("continuation-token") !== null;
    return new Response(
      isLast ? page([3], "<IsTruncated>false</IsTruncated>") : page([1, 2], more),
    );
  }, async (url) => {
    const blobs = await openS3(url, FAST);
    assert.equal((await listed(blobs)).length, 3);
    assert.deepEqual(asked, [null, null, "a&b/+"]);
  });
});

/** The signature that AWS documents for a request: Signature Version 4, written here once more. */
function signatureOf(request: Request, signed: string[], scope: string): string {
  const hmac = (key: string | Uint8Array, text: string) =>
    createHmac("sha256", key).update(text).digest();
  const url = new URL(request.url);
  const query = [...url.searchParams].map((pair) => pair.map(encodeURIComponent).join("=")).sort();
  const canonical = [
    ...[request.method, url.pathname, query.join("&")],
    ...signed.map((name) => `${name}:${name === "host" ? url.host : request.headers.get(name)}`),
    ...["", signed.join(";"), request.headers.get("x-amz-content-sha256")],
  ].join("\n");
  const hash = createHash("sha256").update(canonical).digest("hex");
  const text = ["AWS4-HMAC-SHA256", request.headers.get("x-amz-date"), scope, hash].join("\n");
  let key: string | Uint8Array = `AWS4${CREDENTIALS.secretAccessKey}`;
  for (const part of scope.split("/")) key = hmac(key, part);
  return hmac(key, text).toString("hex");
}

Deno.test("bucket: requests are signed, with the SHA-256 of what is put", async () => {
  const seen: string[] = [];
  await withServer((request) => {
    const [, scope, names, signature] =
      /Credential=S3RVER\/(\S+), SignedHeaders=(\S+), Signature=(\w+)$/
        .exec(request.headers.get("authorization")!)!;
    assert.equal(signature, signatureOf(request, names!.split(";"), scope!));
    seen.push(`${request.method} ${request.headers.get("x-amz-content-sha256")}`);
    assert.ok(names!.split(";").includes("x-amz-content-sha256"));
    if (request.method === "HEAD") return new Response(null, { status: 404 });
    return new Response(request.method === "PUT" ? "" : EMPTY);
  }, async (url) => {
    const blobs = await openS3(url, FAST);
    const bytes = new Uint8Array(0);
    await blobs.put({ address: addressOf(bytes), copy: 1 }, bytes, LIMITS);
  });
  assert.deepEqual(seen, [
    "GET UNSIGNED-PAYLOAD",
    "HEAD UNSIGNED-PAYLOAD",
    "PUT e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  ]);
});

Deno.test("addresses of buckets", () => {
  const at = (url: string) => Object.values(parseS3(url)).join(" ");
  assert.equal(at("s3://packs"), "https://packs.s3.us-east-1.amazonaws.com  us-east-1");
  assert.equal(
    at("s3://packs/a/b/?region=eu-west-3"),
    "https://packs.s3.eu-west-3.amazonaws.com a/b/ eu-west-3",
  );
  assert.equal(at("s3://packs?endpoint=http://[::1]:9000/"), "http://[::1]:9000/packs  us-east-1");
  assert.equal(
    at("s3://packs/x?endpoint=https://minio.example&style=host"),
    "https://packs.minio.example x/ us-east-1",
  );
  for (
    const wrong of [
      ...["packs", "s3://", "s3://UP_PER/", "s3://packs/a//b", "s3://packs/ä%20", "s3://packs?x=1"],
      ...["s3://u:p@packs/", "s3://packs?endpoint=ftp://h", "s3://packs?endpoint=http://u:p@h"],
      "s3://packs?style=other",
    ]
  ) assert.throws(() => parseS3(wrong), (error) => isWarpError(error, "E_CONFIG"), wrong);
});
