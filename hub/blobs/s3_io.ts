/**
 * Blobs in a bucket of any S3-compatible store, signed by `aws4fetch`.
 *
 * What the store says is checked: what is put carries its SHA-256, what is got whole must be what its address
 * says. A request that fails is tried again a few times; putting and deleting are idempotent.
 *
 * @module
 */
import { AwsClient } from "aws4fetch";
import { createHash } from "node:crypto";
import type { Bytes } from "../../actors/base/bytes.ts";
import { asWarpError, isWarpError, WarpError } from "../../actors/base/errors.ts";
import type { Blake3 } from "../../kernels/kernel.ts";
import { loadKernels } from "../../kernels/load.ts";
import {
  type BlobEntry,
  type BlobName,
  type Blobs,
  type ByteRange,
  checkContent,
  clip,
  countBlobs,
  isContentOf,
  nameOf,
  parseName,
  readContent,
} from "./blobs.ts";

export interface S3Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface S3Options {
  credentials: S3Credentials;
  /** Tries of one request, the first included; default 4. */
  triesMax?: number;
  /** The first pause between tries, in ms; each one doubles, up to 2 s. Default 100. */
  pauseMs?: number;
  /** One try, in ms; default 30,000. */
  timeoutMs?: number;
  /** Jitter, from 0 to 1; default Math.random. */
  random?: () => number;
}

const PAUSE_MS_MAX = 2_000;
/** Answers that are text: an error, or a page of at most 1,000 names. */
const TEXT_BYTES_MAX = 4 << 20;
/** A blob that somebody else put there; none of ours is as large. */
const BODY_BYTES_MAX = 64 << 20;

/** Where the blobs of `s3://BUCKET/PREFIX?endpoint=URL&region=NAME&style=path|host` are. */
export interface S3Place {
  /** URL of the bucket, without a slash at its end. */
  bucket: string;
  /** Before each name: empty, or ends with a slash. */
  prefix: string;
  region: string;
}

/** @throws {WarpError} E_CONFIG */
export function parseS3(url: string): S3Place {
  try {
    const { protocol, hostname, pathname, searchParams, username, password } = new URL(url);
    const bucket = hostname;
    const prefix = pathname.replace(/^\/+|\/+$/g, "");
    const isPlain = protocol === "s3:" && username === "" && password === "" &&
      /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) &&
      /^[A-Za-z0-9._\/-]{0,512}$/.test(prefix) && !prefix.includes("//");
    const known = ["endpoint", "region", "style"];
    if (!isPlain || [...searchParams.keys()].some((key) => !known.includes(key))) throw new Error();
    const region = searchParams.get("region") ?? "us-east-1";
    const given = searchParams.get("endpoint");
    const endpoint = new URL(given ?? `https://s3.${region}.amazonaws.com`);
    const style = searchParams.get("style") ?? (given === null ? "host" : "path");
    if (!/^https?:$/.test(endpoint.protocol) || endpoint.username !== "") throw new Error();
    if (style !== "host" && style !== "path") throw new Error();
    if (style === "host") endpoint.hostname = `${bucket}.${endpoint.hostname}`;
    else endpoint.pathname = `${endpoint.pathname.replace(/\/$/, "")}/${bucket}`;
    return {
      bucket: `${endpoint.origin}${endpoint.pathname.replace(/\/$/, "")}`,
      prefix: prefix === "" ? "" : `${prefix}/`,
      region,
    };
  } catch {
    // Not repeated: somebody may have written a password into it.
    throw new WarpError("E_CONFIG", "not the address of a bucket", {
      hint: "s3://BUCKET/PREFIX?endpoint=https://HOST&region=us-east-1&style=path",
    });
  }
}

/**
 * Opens the bucket, which must be there.
 *
 * @throws {WarpError} E_CONFIG, E_STORE
 */
export async function openS3(url: string, options: S3Options): Promise<Blobs> {
  const blobs = new S3Blobs(parseS3(url), options, (await loadKernels()).blake3);
  await blobs.check();
  return blobs;
}

interface Call {
  method: "GET" | "HEAD" | "PUT" | "DELETE";
  /** After the URL of the bucket. */
  path: string;
  headers?: Record<string, string>;
  body?: Bytes;
  bytesMax?: number;
}

interface Answer {
  status: number;
  headers: Headers;
  body: Uint8Array<ArrayBuffer>;
}

class S3Blobs implements Blobs {
  readonly #place: S3Place;
  readonly #client: AwsClient;
  readonly #options: Required<S3Options>;
  readonly #blake3: Blake3;

  constructor(place: S3Place, options: S3Options, blake3: Blake3) {
    this.#place = place;
    this.#options = {
      triesMax: 4,
      pauseMs: 100,
      timeoutMs: 30_000,
      random: Math.random,
      ...options,
    };
    this.#client = new AwsClient({
      ...options.credentials,
      service: "s3",
      region: place.region,
      retries: 0,
    });
    this.#blake3 = blake3;
  }

  /** Whether bucket and credentials are good. */
  async check(): Promise<void> {
    await this.#page("", 1);
  }

  async put(
    name: BlobName,
    content: Bytes | ReadableStream<Uint8Array>,
    { bytesMax }: { bytesMax: number },
  ): Promise<{ bytes: number; isNew: boolean }> {
    const path = this.#pathOf(name);
    const body = await readContent(content, bytesMax);
    await checkContent(name.address, body, this.#blake3);
    if (await this.#sizeOf(path) === body.length) return { bytes: body.length, isNew: false };
    const headers = { "x-amz-content-sha256": createHash("sha256").update(body).digest("hex") };
    const answer = await this.#call({ method: "PUT", path, headers, body });
    if (answer.status !== 200) throw failure(answer);
    return { bytes: body.length, isNew: true };
  }

  async get(
    name: BlobName,
    range?: ByteRange,
  ): Promise<{ bytes: number; body: Uint8Array<ArrayBuffer> } | undefined> {
    const path = this.#pathOf(name);
    if (range !== undefined) return await this.#getRange(path, range);
    for (let tries = 1;; tries++) {
      const answer = await this.#call({ method: "GET", path, bytesMax: BODY_BYTES_MAX });
      if (isMissing(answer)) return undefined;
      if (answer.status !== 200) throw failure(answer);
      const { body } = answer;
      if (await isContentOf(name.address, body, this.#blake3)) return { bytes: body.length, body };
      // The way here may have damaged it; twice is no accident.
      if (tries === 2) {
        throw new WarpError("E_INTEGRITY", `the bucket gives other bytes: ${nameOf(name)}`);
      }
    }
  }

  async #getRange(path: string, range: ByteRange) {
    const start = Math.max(0, range.start);
    if (start < range.end) {
      const headers = { range: `bytes=${start}-${range.end - 1}` };
      const answer = await this.#call({ method: "GET", path, headers, bytesMax: BODY_BYTES_MAX });
      if (isMissing(answer)) return undefined;
      const part = partOf(answer);
      if (part !== undefined) {
        // Some give more than was asked for, and say so.
        const wanted = clip({ start, end: range.end }, part.bytes);
        const from = wanted.start - part.start, to = wanted.end - part.start;
        if (from < 0 || to > answer.body.length) throw failure(answer);
        return { bytes: part.bytes, body: answer.body.slice(from, to) };
      }
      if (answer.status !== 416) throw failure(answer);
    }
    const bytes = await this.#sizeOf(path);
    return bytes === undefined ? undefined : { bytes, body: new Uint8Array(0) };
  }

  async has(name: BlobName): Promise<boolean> {
    return await this.#sizeOf(this.#pathOf(name)) !== undefined;
  }

  async delete(name: BlobName): Promise<boolean> {
    const answer = await this.#call({ method: "DELETE", path: this.#pathOf(name) });
    if (isMissing(answer)) return false;
    if (answer.status !== 204 && answer.status !== 200) throw failure(answer);
    return true;
  }

  async *list(): AsyncGenerator<BlobEntry> {
    for (let token: string | undefined = "", i = 0; token !== undefined; i++) {
      if (i > 1_000_000) throw new WarpError("E_STORE", "the bucket's list has no end");
      const page: Page = await this.#page(token, 1000);
      yield* page.entries;
      token = page.next;
    }
  }

  usage(): Promise<{ blobs: number; bytes: number }> {
    return countBlobs(this.list());
  }

  async close(): Promise<void> {}

  #pathOf(name: BlobName): string {
    return `/${this.#place.prefix}${nameOf(name)}`;
  }

  async #sizeOf(path: string): Promise<number | undefined> {
    const answer = await this.#call({ method: "HEAD", path });
    if (answer.status === 404) return undefined;
    const bytes = Number(answer.headers.get("content-length") ?? NaN);
    if (answer.status !== 200 || !Number.isSafeInteger(bytes)) throw failure(answer);
    return bytes;
  }

  async #page(token: string, keysMax: number): Promise<Page> {
    const query = new URLSearchParams({ "list-type": "2", "max-keys": String(keysMax) });
    if (this.#place.prefix !== "") query.set("prefix", this.#place.prefix);
    if (token !== "") query.set("continuation-token", token);
    const answer = await this.#call({ method: "GET", path: `?${query}` });
    if (answer.status !== 200) throw failure(answer);
    return parsePage(new TextDecoder().decode(answer.body), this.#place.prefix);
  }

  async #call(call: Call): Promise<Answer> {
    const { triesMax, pauseMs, random } = this.#options;
    for (let tries = 1;; tries++) {
      let error: WarpError;
      try {
        const answer = await this.#try(call);
        if (!isTransient(answer)) return answer;
        error = failure(answer);
      } catch (caught) {
        error = isWarpError(caught) ? caught : unreachable(caught);
        if (error.code !== "E_STORE") throw error;
      }
      if (tries === triesMax) throw error;
      const pause = Math.min(PAUSE_MS_MAX, pauseMs * 2 ** (tries - 1)) * (0.5 + random() / 2);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  async #try({ method, path, headers, body, bytesMax }: Call): Promise<Answer> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), this.#options.timeoutMs);
    try {
      const request = await this.#client.sign(`${this.#place.bucket}${path}`, {
        method,
        ...(headers === undefined ? {} : { headers }),
        ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
      });
      const response = await fetch(request, { signal: abort.signal, redirect: "manual" });
      const most = response.ok ? bytesMax ?? TEXT_BYTES_MAX : TEXT_BYTES_MAX;
      const content = response.body === null
        ? new Uint8Array(0)
        : await readContent(response.body, most);
      return {
        status: response.status,
        headers: response.headers,
        body: content as Uint8Array<ArrayBuffer>,
      };
    } finally {
      clearTimeout(timer);
    }
  }
}

interface Page {
  entries: BlobEntry[];
  next: string | undefined;
}

/** Names are hex digits, sizes decimal: all that is wanted of the XML can be found without a parser. */
function parsePage(xml: string, prefix: string): Page {
  const entries: BlobEntry[] = [];
  for (const [, item] of xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
    const key = /<Key>([^<]*)<\/Key>/.exec(item!)?.[1] ?? "";
    const bytes = Number(/<Size>(\d{1,15})<\/Size>/.exec(item!)?.[1] ?? NaN);
    const name = key.startsWith(prefix) ? parseName(key.slice(prefix.length)) : undefined;
    if (name !== undefined && !Number.isNaN(bytes)) entries.push({ ...name, bytes });
  }
  if (!/<ListBucketResult\b/.test(xml)) {
    throw new WarpError("E_STORE", "the bucket answers with something else than a list");
  }
  const token = /<NextContinuationToken>([^<]+)<\/NextContinuationToken>/.exec(xml)?.[1];
  const isCut = /<IsTruncated>true<\/IsTruncated>/.test(xml);
  if (isCut && token === undefined) {
    throw new WarpError("E_STORE", "the bucket does not say how its list goes on");
  }
  return { entries, next: isCut ? unescapeXml(token!) : undefined };
}

function unescapeXml(text: string): string {
  const names: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => names[name]!)
    .replace(/&#(\d{1,6});/g, (_, code: string) => String.fromCodePoint(Number(code)));
}

function errorCodeOf({ body }: Answer): string {
  const text = new TextDecoder().decode(body.subarray(0, 4096));
  return /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(text)?.[1] ?? "";
}

/** Where a body lies in its blob, and how long that is; undefined when the answer holds no blob. */
function partOf({ status, headers, body }: Answer): { start: number; bytes: number } | undefined {
  if (status === 200) return { start: 0, bytes: body.length };
  const match = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15})$/.exec(headers.get("content-range") ?? "");
  if (status !== 206 || match === null) return undefined;
  return { start: Number(match[1]), bytes: Number(match[2]) };
}

/** A blob is missing; a missing bucket is something else. */
function isMissing(answer: Answer): boolean {
  return answer.status === 404 && errorCodeOf(answer) !== "NoSuchBucket";
}

function isTransient({ status }: Answer): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 507);
}

function failure(answer: Answer): WarpError {
  const code = errorCodeOf(answer);
  const text = `the bucket answers ${answer.status}${code === "" ? "" : ` ${code}`}`;
  const isFull = answer.status === 507 || /^(QuotaExceeded|XMinioStorageFull)$/.test(code);
  return new WarpError(isFull ? "E_DISK_FULL" : "E_STORE", text);
}

/** Without the address: the message of a failed `fetch` has all of it. */
function unreachable(error: unknown): WarpError {
  const isLate = error instanceof Error && error.name === "AbortError";
  const isNetwork = isLate || error instanceof TypeError ||
    asWarpError(error).code !== "E_INTERNAL";
  if (!isNetwork) throw error;
  return new WarpError("E_STORE", isLate ? "the bucket does not answer" : "no way to the bucket");
}
