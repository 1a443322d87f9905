/** The published description of the interface: that it is one, and what comes of requests made from it. */
import assert from "node:assert/strict";
import { encode } from "@std/msgpack";
import { ERROR_CODES } from "../../actors/base/error_codes.ts";
import { concat, utf8 } from "../../actors/base/bytes.ts";
import { API, type Route } from "../../actors/portal/api.ts";
import { signedJson } from "../../actors/portal/api_fields.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { type RecordKind, signRecord } from "../../actors/portal/records.ts";
import { createApp } from "../../hub/app.ts";
import { statusOf } from "../../hub/problem.ts";
import {
  type Answer,
  anyone,
  type Caller,
  enrol,
  hashOf,
  makeGroup,
  makePortal,
  type Person,
  type TestHub,
  type TestPortal,
  withHub,
} from "../support/hub.ts";
import { Random } from "../support/random.ts";

interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
  minItems?: number;
  minimum?: number;
  maximum?: number;
  pattern?: string;
}
interface Operation {
  summary: string;
  security?: Record<string, unknown>[];
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
}
interface Description {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, unknown> };
}

async function describe(at: TestHub): Promise<Description> {
  const { status, json } = await anyone(at, "GET", "/openapi.json");
  assert.equal(status, 200);
  return json as unknown as Description;
}

function operationsOf({ paths }: Description): [name: string, operation: Operation][] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) =>
      [`${method.toUpperCase()} ${path}`, one] as [string, Operation]
    )
  );
}

Deno.test("the description is OpenAPI 3.1, and of all that is served", async () => {
  await withHub({}, async (at) => {
    const description = await describe(at);
    assert.match(description.openapi, /^3\.1\.\d+$/);
    assert.ok(description.info.title !== "" && description.info.version !== "");
    const { schemas, securitySchemes } = description.components;
    const types = ["string", "number", "integer", "boolean", "object", "array", "null"];
    const checkSchema = (schema: Schema, where: string): void => {
      assert.ok(typeof schema === "object" && schema !== null, where);
      if (schema.$ref !== undefined) {
        const [, name] = /^#\/components\/schemas\/(\w+)$/.exec(schema.$ref) ?? [];
        assert.ok(name !== undefined && Object.hasOwn(schemas, name), `${where}: ${schema.$ref}`);
      }
      for (const type of [schema.type ?? []].flat()) assert.ok(types.includes(type), where);
      assert.ok(!("nullable" in schema), `${where}: nullable is of 3.0`);
      if (schema.pattern !== undefined) new RegExp(schema.pattern, "u");
      for (const name of schema.required ?? []) {
        assert.ok(Object.hasOwn(schema.properties ?? {}, name), `${where}.${name}`);
      }
      for (const [name, one] of Object.entries(schema.properties ?? {})) {
        checkSchema(one, `${where}.${name}`);
      }
      for (const one of [schema.anyOf, schema.oneOf, schema.allOf].flatMap((list) => list ?? [])) {
        checkSchema(one, where);
      }
      if (schema.items !== undefined) checkSchema(schema.items, `${where}[]`);
    };
    for (const [name, schema] of Object.entries(schemas)) checkSchema(schema, name);
    const operations = operationsOf(description);
    for (const [name, operation] of operations) {
      assert.match(name, /^(GET|POST|PUT|DELETE) \/[\w/{}.]*$/);
      assert.ok(operation.summary.length > 0, name);
      const parameters = operation.parameters ?? [];
      const inPath = [...name.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const declared = parameters.filter((one) => one.in === "path");
      assert.deepEqual(declared.map((one) => one.name).sort(), inPath.sort(), name);
      for (const one of parameters) {
        assert.ok(["path", "query", "header"].includes(one.in), `${name}: ${one.name}`);
        assert.ok(one.in !== "path" || one.required === true, `${name}: ${one.name}`);
        checkSchema(one.schema, `${name} ${one.name}`);
      }
      const contents = [operation.requestBody, ...Object.values(operation.responses)];
      for (const content of contents) {
        for (const { schema } of Object.values(content?.content ?? {})) checkSchema(schema, name);
      }
      const statuses = Object.keys(operation.responses);
      assert.ok(statuses.includes("200") && statuses.every((one) => /^\d{3}$/.test(one)), name);
      for (const response of Object.values(operation.responses)) {
        assert.ok(response.description.length > 0, name);
      }
      for (const one of operation.security ?? []) {
        for (const scheme of Object.keys(one)) assert.ok(Object.hasOwn(securitySchemes, scheme));
      }
      // What says that it needs a token does, and what does not, does not.
      const isPublic = operation.security === undefined;
      const target = name.split(" ")[1]!.replace(/\{\w+\}/g, toBase64Url(new Uint8Array(32)));
      const answer = await anyone(at, name.split(" ")[0]!, target);
      assert.equal(answer.status === 401, !isPublic, `${name}: ${answer.status}`);
    }
    const served = createApp(at.hub).routes.filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
    // Pages are for people.
    const pages = ["GET /", "GET /p/{portal}", "GET /assets/{name}", "GET /openapi.json"];
    assert.deepEqual(
      [...operations.map(([name]) => name), ...pages].sort(),
      [...new Set(served)].sort(),
    );
    const known = Object.keys(API);
    for (const name of known) assert.ok(operations.some(([one]) => one === name), name);
  });
});

// ---------------------------------------------------------------- requests made from it

/** What may stand where something else should. */
const ODD: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 0.5, -0, 1e308, 2 ** 53, -(2 ** 63), 253_402_300_800_000],
  ...[
    "",
    " ",
    "\0",
    "null",
    "💥".repeat(100),
    "\ud800",
    "../..",
    "%00",
    "'; DROP TABLE portals; --",
  ],
  ...["A".repeat(100_000), "__proto__", "é", "１２", [], {}, [[]], [null], { a: 1 }],
  nested(500),
];

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

class Maker {
  constructor(
    readonly random: Random,
    readonly schemas: Record<string, Schema>,
    readonly owner: Person,
    /** Ids and keys that there are. */
    readonly known: () => string[],
  ) {}

  /** A value of the shape, with random content. */
  make(schema: Schema, name = ""): unknown {
    const { random } = this;
    if (schema.$ref !== undefined) {
      const title = schema.$ref.split("/").at(-1)!;
      return title === "Signed" ? this.#signed(name) : this.make(this.schemas[title]!, name);
    }
    const choices = schema.oneOf ?? schema.anyOf;
    if (choices !== undefined) return this.make(random.pick(choices), name);
    if (schema.allOf !== undefined) {
      return Object.assign({}, ...schema.allOf.map((one) => this.make(one, name)));
    }
    if (schema.enum !== undefined) return random.pick(schema.enum);
    if ("const" in schema) return schema.const;
    switch (random.pick([schema.type ?? "string"].flat())) {
      case "null":
        return null;
      case "boolean":
        return random.int(2) === 0;
      case "integer":
      case "number":
        return random.pick([
          schema.minimum ?? 0,
          random.int(1000),
          Math.min(schema.maximum ?? Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
        ]);
      case "array": {
        const most = Math.min(schema.maxItems ?? 3, 3);
        const length = Math.max(schema.minItems ?? 0, random.int(most + 1));
        return Array.from({ length }, () => this.make(schema.items ?? {}, name));
      }
      case "object": {
        const object: Record<string, unknown> = {};
        for (const [key, one] of Object.entries(schema.properties ?? {})) {
          const isNeeded = schema.required?.includes(key) || random.int(2) === 0;
          if (isNeeded) object[key] = this.make(one, key);
        }
        return object;
      }
      default:
        return this.#text(schema);
    }
  }

  #text({ minLength = 0, maxLength = 64 }: Schema): string {
    const { random } = this;
    const fit = this.known().filter(({ length }) => length >= minLength && length <= maxLength);
    if (fit.length > 0 && random.int(2) === 0) return random.pick(fit);
    const length = Math.max(
      minLength,
      Math.min(maxLength, random.pick([22, 43, 64, random.int(400)])),
    );
    // The one encoding of so many bytes, as far as there is one.
    const bytes = random.bytes(Math.floor(length * 3 / 4));
    return toBase64Url(bytes).padEnd(minLength, "A");
  }

  /** Signed as it should be, whatever it says; or not at all. */
  #signed(name: string): unknown {
    const { random, owner } = this;
    const sign = (message: Uint8Array) => owner.signer.sign(message);
    const kinds: Record<string, RecordKind> = {
      ...{ signed: "grant", portal: "portal", settings: "settings", revoke: "revoke" },
      ...{ version: "version", retire: "retire", group: "group", account: "account" },
      device: "device",
    };
    const kind = kinds[name] ?? "grant";
    switch (random.int(4)) {
      case 0:
        return signedJson(signRecord(kind, this.#record() as never, sign));
      case 1: {
        const odd = [kind, ...Array.from({ length: random.int(10) }, () => random.pick(ODD))];
        const bytes = encode(JSON.parse(JSON.stringify(odd)), { maxDepth: 1000 });
        return this.#signBytes(new Uint8Array(bytes));
      }
      case 2:
        return this.#signBytes(random.bytes(random.int(300)));
      default:
        return { record: toBase64Url(random.bytes(200)), signature: toBase64Url(random.bytes(64)) };
    }
  }

  #signBytes(bytes: Uint8Array<ArrayBuffer>): unknown {
    const signature = this.owner.signer.sign(concat(utf8("portal/record/v1\0"), bytes));
    return signedJson({ bytes, signature });
  }

  /** Fields of every kind of record, some of which are right. */
  #record(): Record<string, unknown> {
    const { random, owner } = this;
    const bytes = (length: number) => {
      const texts = this.known().filter((one) => one.length === Math.ceil(length * 4 / 3));
      return texts.length === 0 || random.int(4) === 0
        ? random.bytes(length)
        : Uint8Array.fromBase64(random.pick(texts), { alphabet: "base64url" });
    };
    const number = () => random.pick([0, 1, 2, 3, random.int(2 ** 31), Number.MAX_SAFE_INTEGER]);
    return {
      portal: bytes(16),
      account: random.int(3) === 0 ? bytes(32) : owner.account,
      group: random.bytes(32),
      device: random.bytes(32),
      recipient: owner.ring.deviceRecipient,
      // Not the first: who retires that one is out.
      number: 2 + random.int(100),
      sequence: number(),
      sealedName: random.bytes(random.int(200)),
      sealedNote: random.bytes(random.int(200)),
      policy: random.pick([
        '{"kind":"all","of":[]}',
        '{"kind":"downloads","limit":1}',
        '{"kind":"before","at":1}',
        '{"kind":"weekly","slots":[],"zone":"UTC"}',
        '{"kind":"x"}',
        "\0",
        JSON.stringify(nested(100)),
        "[".repeat(8000),
      ]),
      grant: bytes(16),
      kind: random.pick(["account", "link", "group"]),
      grantee: bytes(32),
      level: random.pick(["list", "read", "write", "admin", "owner"]),
      view: random.pick([null, bytes(16)]),
      expiresMs: random.pick([null, 0, 253_402_300_799_999]),
      downloads: random.pick([null, 0, 2 ** 31]),
      grants: [bytes(16)],
      epoch: number(),
      before: bytes(32),
      heads: [{ view: null, head: bytes(32) }],
      packs: bytes(32),
      atMs: random.pick([owner.at.clock.nowMs(), owner.at.clock.nowMs(), 0]),
    };
  }

  /** The same with something wrong in it, somewhere. */
  break(value: unknown): unknown {
    const { random } = this;
    if (value === null || typeof value !== "object" || random.int(4) === 0) return random.pick(ODD);
    if (Array.isArray(value)) {
      return random.int(2) === 0 || value.length === 0
        ? Array.from({ length: 5000 }, () => value[0] ?? null)
        : value.map((one, i) => i === 0 ? this.break(one) : one);
    }
    const object = { ...value } as Record<string, unknown>, names = Object.keys(object);
    const name = names.length === 0 ? "x" : random.pick(names);
    const how = random.int(4);
    if (how === 0) delete object[name];
    else if (how === 1) object[random.pick(["extra", "constructor", "", "💥"])] = random.pick(ODD);
    else object[name] = this.break(object[name]);
    return object;
  }

  /** Bytes that are no JSON, or hardly. */
  garbage(value: unknown): Uint8Array<ArrayBuffer> {
    const { random } = this;
    const text = JSON.stringify(value ?? {});
    return utf8(random.pick([
      "",
      text.slice(0, random.int(text.length)),
      `\ufeff${text}`,
      `${text}${text}`,
      "[".repeat(200_000),
      '{"a":'.repeat(100_000),
      "NaN",
      "1e999",
      '"\\ud800"',
      '{"__proto__":{"x":1},"__proto__":2}',
      String.fromCharCode(...random.bytes(300)),
    ])) as Uint8Array<ArrayBuffer>;
  }

  target(path: string): string {
    const { random } = this;
    return path.replace(/\{\w+\}/g, () => {
      const text = random.int(8) === 0
        ? String(random.pick(ODD)).slice(0, 5000)
        : random.int(3) === 0
        ? toBase64Url(random.bytes(random.pick([0, 16, 32, 33])))
        : random.pick(this.known());
      return encodeURIComponent(text.toWellFormed());
    });
  }
}

function assertSound(name: string, answer: Answer, sent: string): void {
  const about = `${name}: ${answer.status} ${JSON.stringify(answer.json).slice(0, 300)}\n${sent}`;
  if (answer.status === 200) {
    const known = API[name as Route];
    if (known !== undefined) assert.ok(known.answer.safeParse(answer.json).success, about);
    return;
  }
  assert.ok(answer.status >= 400 && answer.status < 500, about);
  assert.match(answer.type, /^application\/problem\+json/, about);
  const { code, title, detail, status } = answer.json;
  assert.ok(Object.hasOwn(ERROR_CODES, code as string), about);
  assert.equal(statusOf(code as keyof typeof ERROR_CODES), answer.status, about);
  assert.deepEqual([title, status, typeof detail], [code, answer.status, "string"], about);
}

const SEED = Number(Deno.env.get("WARP_SEED") ?? 20261121);
const RUNS = 40;

Deno.test(`whatever is sent, the hub answers and stays well (seed ${SEED})`, async () => {
  const limits = { anonymousBurst: 1e6, failuresBurst: 1e6, tokenBurst: 1e6 };
  await withHub({ limits }, async (at) => {
    const description = await describe(at);
    const owner = await enrol(at), friend = await enrol(at);
    const group = await makeGroup(owner, [friend.account]);
    let portal: TestPortal, link: Caller, known: string[] = [];
    const random = new Random(SEED);
    const maker = new Maker(random, description.components.schemas, owner, () => known);
    const renew = async () => {
      portal = await makePortal(owner);
      const packs = await portal.put(2);
      link = await portal.link();
      const lease = await portal.lease(owner);
      known = [portal.text, ...[...portal.grants.values(), ...packs].map(toBase64Url), lease];
      known.push(...[owner.account, friend.account, group, link.signer.publicKey].map(toBase64Url));
    };
    const statuses = new Map<string, Set<number>>();
    for (const [name, operation] of operationsOf(description)) {
      const [method, path] = name.split(" ") as [string, string];
      if (name === "GET /v1/events") continue;
      await renew();
      const seen = new Set<number>();
      statuses.set(name, seen);
      const schema = operation.requestBody?.content["application/json"]?.schema;
      for (let run = 0; run < RUNS; run++) {
        let target = maker.target(path);
        const headers: Record<string, string> = {};
        for (const one of operation.parameters ?? []) {
          if (one.in === "query" && random.int(3) > 0) {
            target += `?${one.name}=${
              encodeURIComponent(String(random.pick([...ODD, 3])).slice(0, 2000).toWellFormed())
            }`;
          }
          if (one.in === "header" && random.int(4) > 0) {
            headers[one.name] = random.pick([...known, "x", "A".repeat(3000)]);
          }
        }
        let body: unknown = schema === undefined ? undefined : maker.make(schema);
        if (body !== undefined && random.int(2) === 0) body = maker.break(body);
        if (name === "PUT /v1/packs/{address}") {
          const pack = random.bytes(random.pick([0, 1, 5000]));
          if (random.int(2) === 0) target = `/v1/packs/${toBase64Url(hashOf(pack))}`;
          body = pack;
        }
        const isGarbage = schema !== undefined && random.int(5) === 0;
        if (isGarbage) {
          headers["content-type"] = random.pick([
            ...["application/json", "application/json; charset=utf-16", "text/plain"],
            ...["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"],
          ]);
        }
        const raw = isGarbage ? maker.garbage(body) : undefined;
        const whose = random.int(8);
        const answer = whose === 0
          ? await anyone(at, method, target, raw ?? body, headers)
          : await (whose === 1 ? link! : owner).call(method, target, body, {
            headers,
            ...(raw === undefined ? {} : { raw }),
          });
        seen.add(answer.status);
        const sent = raw === undefined ? JSON.stringify(body) : new TextDecoder().decode(raw);
        assertSound(name, answer, `${target} ${sent?.slice(0, 1000)}`);
      }
    }
    // It has not refused everything at the door.
    for (const [name, seen] of statuses) {
      const isDull = [...seen].every((status) => status === 401);
      assert.ok(!isDull, name);
    }
    const { bytes } = await anyone(at, "GET", "/metrics");
    assert.doesNotMatch(new TextDecoder().decode(bytes), /portal_faults_total \d/);
    await renew();
    const lease = await portal!.lease(link!);
    const packs = await portal!.put(1);
    assert.equal((await portal!.pack(owner, await portal!.lease(owner), packs[0]!)).status, 200);
    assert.equal((await portal!.tryLease(link!, { lease })).status, 200);
    assert.equal((await anyone(at, "GET", "/health")).status, 200);
  });
});
