import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { blake3 } from "@noble/hashes/blake3.js";
import { toHex, utf8 } from "../../actors/base/bytes.ts";
import { ChunkSealer } from "../../actors/portal/content/chunk_seal.ts";
import { boundaryParams, boundaryTable } from "../../actors/portal/content/content_keys.ts";
import { chunkId, chunkKey } from "../../actors/portal/content/open_reference.ts";
import { Packer } from "../../actors/portal/content/packer.ts";
import { parseLink } from "../../actors/portal/link.ts";
import { openKeyRing } from "../../actors/portal/key_ring.ts";
import { readRing } from "../../actors/portal/key_ring_io.ts";
import { loadKernels } from "../../kernels/load.ts";
import { MarkerScan } from "../support/marker_scan.ts";
import { HubProcess, Person, Wire } from "../support/portal.ts";
import { Random } from "../support/random.ts";
import { sh, withTempDir } from "../support/warp.ts";

// Goal: the hub knows nothing. Method: plant markers wherever a secret can be, do all that there is to do through
// the command, and look for every marker, in every form, in all that the hub has, says, logs and is told. Where
// nothing is found, the same scan finds what was planted in the clear.

const kernels = await loadKernels();

const TEXTS = {
  portalName: "planted portal name 8d21",
  fileName: "planted-file-name-44aa",
  folderName: "planted-folder-77c0",
  linkTarget: "planted-target-19fe",
  content: "planted content, and compressible 5b5b; ",
  linkPassword: "planted link password 90f3",
  passphrase: "planted ring passphrase 2c4e",
  label: "planted grant label b17b",
  group: "planted group name e0e0",
  reason: "planted reason for re-entry 6a6a",
  renamed: "planted second name 3d3d",
};

/** The chunks of some content, as the owner of this domain secret cuts them. */
function chunksOf(content: Uint8Array, secret: Uint8Array): Uint8Array[] {
  const params = boundaryParams(boundaryTable(secret));
  const ends = [...kernels.boundary.cuts(params, content, true)];
  return ends.map((end, i) => content.subarray(ends[i - 1] ?? 0, end));
}

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest());

async function convergenceSecret(person: Person): Promise<Uint8Array> {
  const stored = readRing(`${person.dir}/config/warp/portal.key`);
  const ring = await openKeyRing(stored, stored.isSealed ? utf8(TEXTS.passphrase) : undefined);
  try {
    return new Uint8Array(ring.keys.copySecrets().convergenceSecret);
  } finally {
    ring.keys.wipe();
  }
}

function* filesBelow(dir: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(dir)) {
    if (isDirectory) yield* filesBelow(`${dir}/${name}`);
    else yield `${dir}/${name}`;
  }
}

Deno.test("no marker is on the hub's disk, in its logs, or in any byte on the wire", async () => {
  await withTempDir(async (dir) => {
    const random = new Random(400);
    const noise = random.bytes(1_500_000);
    const tree = `${dir}/${TEXTS.folderName}`;
    await sh(
      `mkdir -p '${tree}/part'; cd '${tree}'; ln -s '${TEXTS.linkTarget}' '${TEXTS.fileName}-link'
      setfattr -n user.planted -v '${TEXTS.label}' part || true`,
    );
    const contents: Record<string, Uint8Array> = {
      [`${TEXTS.fileName}.txt`]: utf8(TEXTS.content.repeat(20_000)),
      [`${TEXTS.fileName}.tiny`]: utf8(TEXTS.content),
      "part/noise": noise,
    };
    for (const [path, content] of Object.entries(contents)) {
      Deno.writeFileSync(`${tree}/${path}`, content);
    }
    const [passphrase, password] = [`${dir}/passphrase`, `${dir}/password`];
    Deno.writeTextFileSync(passphrase, TEXTS.passphrase + "\n");
    Deno.writeTextFileSync(password, TEXTS.linkPassword + "\n");

    const hub = await new HubProcess(`${dir}/hub`, ["-vvv"]).start();
    const wire = new Wire(hub.port, { isKept: true });
    try {
      const env = { WARP_PASSPHRASE: TEXTS.passphrase };
      const [ann, bob] = await Promise.all([
        Person.make(`${dir}/ann`, [wire.via(hub.invite)], { env, flags: [] }),
        Person.make(`${dir}/bob`, [wire.via(hub.invite)]),
      ]);
      const visitor = Person.visitor(`${dir}/visitor`);
      const { portalName } = TEXTS;

      await ann.run(["portal", "create", portalName, tree]);
      await ann.run(["portal", "group", TEXTS.group, "--add", bob.account]);
      await Promise.all([
        ann.run(["portal", "grant", portalName, TEXTS.group]),
        ann.run(["portal", "grant", portalName, bob.account, "--label", TEXTS.label]),
      ]);
      const part = ["--path", `${TEXTS.folderName}/part`];
      const links = await Promise.all([
        ann.one(["portal", "link", portalName, "--password-file", password]),
        ann.one(["portal", "link", portalName, "--label", TEXTS.label, ...part]),
      ]);
      const [locked, open] = links.map(({ link }) => String(link)) as [string, string];
      Deno.writeTextFileSync(`${tree}/${TEXTS.fileName}.new`, TEXTS.content.repeat(3));
      await ann.run(["portal", "put", portalName, tree]);
      await Promise.all([
        bob.run(["portal", "get", portalName, "-C", `${dir}/out-bob`]),
        visitor.run(["portal", "get", open, "-C", `${dir}/out-open`]),
        visitor.run([
          "portal",
          "get",
          locked,
          "--password-file",
          password,
          "-C",
          `${dir}/out-locked`,
        ]),
      ]);
      await bob.run(["portal", "request", portalName, "--reason", TEXTS.reason]);
      const [request] = await ann.run(["portal", "requests", portalName]);
      assert.equal(request!["reason"], TEXTS.reason, "who it is for can read it");
      await ann.run(["portal", "approve", "--", portalName, String(request!["request"])]);
      await ann.run(["portal", "revoke", portalName, bob.account]);
      await ann.run(["portal", "log", portalName]);
      await sh(`cmp '${tree}/part/noise' '${dir}/out-open/${TEXTS.folderName}/part/noise'`);

      // What could tell something, were it anywhere.
      const scan = new MarkerScan();
      for (const [name, text] of Object.entries(TEXTS)) scan.add(name, text);
      scan.add("content, inside", TEXTS.content.slice(3, 30));
      for (const at of [0, 100_000, 1_000_000]) scan.add("noise", noise.subarray(at, at + 24));
      for (const { words } of [ann, bob]) {
        const list = words.split(" ");
        scan.add("24 words", words).add("12 words", list.slice(0, 12).join(" "));
        for (let i = 0; i + 2 < list.length; i += 3) {
          scan.add("3 words", list.slice(i, i + 3).join(" "));
        }
      }
      for (const link of [locked, open]) {
        scan.add("link", link.split("#")[1]!);
        scan.add("secret of a link", parseLink(link).secret.bytes);
      }
      const secrets = await Promise.all([ann, bob].map(convergenceSecret));
      for (const secret of secrets) scan.add("domain secret", secret);
      const all = [...Object.values(contents), utf8(TEXTS.content.repeat(3))];
      for (const content of all) {
        for (const part of [content, ...secrets.flatMap((secret) => chunksOf(content, secret))]) {
          const digest = blake3(new Uint8Array(part));
          scan.add("BLAKE3 of content", digest).add("SHA-256 of content", sha256(part));
          for (const secret of secrets) {
            const id = chunkId(secret, digest);
            scan.add("id of a chunk", id).add("key of a chunk", chunkKey(secret, id));
          }
        }
      }
      assert.ok(scan.count > 500, String(scan.count));

      assert.equal(await hub.stop("SIGKILL"), 137, "what was in its log has to stay there");
      const media = {
        disk: [...filesBelow(hub.data)],
        log: utf8(hub.log),
        up: wire.recorded.map(({ up }) => concatenated(up)),
        down: wire.recorded.map(({ down }) => concatenated(down)),
      };
      assert.ok(
        media.disk.some((path) => path.endsWith("-wal")),
        "the write-ahead log is looked at too",
      );
      assert.ok(media.disk.filter((path) => path.includes("/blobs/")).length > 8);
      const files = media.disk.map((path) => Deno.readFileSync(path));
      // Names of files say something too.
      const names = utf8(media.disk.join("\n"));
      const compressed = media.down.some((part) => /\r\ncontent-encoding:/i.test(latin1(part)));
      assert.ok(!compressed, "answers are not compressed, so that the scan sees what they say");
      assert.ok(media.up.some((part) => latin1(part).includes("POST /v1/tokens")));
      assert.ok(wire.up > noise.length, "content went through here");
      const found = [...files, names, media.log, ...media.up, ...media.down]
        .flatMap((medium) => scan.find(medium));
      assert.deepEqual([...new Set(found)], []);

      // The scan can find: in each medium, in each form, at its very end.
      const plain = utf8(TEXTS.portalName);
      for (const medium of [files[0]!, names, media.log, media.up[0]!, media.down[0]!]) {
        for (const form of [plain, utf8(toHex(plain)), utf8(btoa("x" + TEXTS.portalName))]) {
          assert.deepEqual(scan.find(new Uint8Array([...medium.subarray(-5000), ...form])), [
            "portalName",
          ]);
        }
      }
      const wide = new Uint8Array(plain.length * 2);
      plain.forEach((byte, i) => wide[2 * i] = byte);
      assert.deepEqual(scan.find(wide), ["portalName"]);
      // And with the real path: a name given to the hub in the clear is on its disk, on the wire, in its log.
      await plantInTheClear(dir, scan);
    } finally {
      wire.close();
      await hub.stop("SIGKILL");
    }
  });
});

const latin1 = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What is not secret, the policy, stands where secrets must not: each medium is one that would show them. */
async function plantInTheClear(dir: string, scan: MarkerScan): Promise<void> {
  const hub = await new HubProcess(`${dir}/open-hub`, ["-vvv"]).start();
  const wire = new Wire(hub.port, { isKept: true });
  try {
    const person = await Person.make(`${dir}/control`, [wire.via(hub.invite)]);
    const when = "before 2098-07-06T05:04:03Z";
    await person.run(["portal", "create", "control", "--when", when]);
    await person.run(["portal", "list"]);
    const control = new MarkerScan().add("policy", String(Date.parse("2098-07-06T05:04:03Z")));
    await hub.stop("SIGKILL");
    const disk = [...filesBelow(hub.data)].map((path) => Deno.readFileSync(path));
    for (const side of ["up", "down"] as const) {
      const seen = wire.recorded.some((one) => control.find(concatenated(one[side])).length > 0);
      assert.ok(seen, `the policy is on the wire, ${side}`);
    }
    assert.ok(disk.some((bytes) => control.find(bytes).length > 0), "and on the disk");
    assert.deepEqual(disk.flatMap((bytes) => scan.find(bytes)), []);
  } finally {
    wire.close();
    await hub.stop("SIGKILL");
  }
}

Deno.test("who has the hub's whole disk and a known file cannot tell whether it is there", async () => {
  await withTempDir(async (dir) => {
    const known = new Random(77).bytes(2_345_678), other = new Random(78).bytes(2_345_678);
    for (const [name, content] of [["known", known], ["other", other]] as const) {
      Deno.mkdirSync(`${dir}/${name}`);
      Deno.writeFileSync(`${dir}/${name}/file`, content);
    }
    const stored = new Map<string, Map<string, number>>();
    let keys: Uint8Array[] = [];
    const hub = await new HubProcess(`${dir}/hub`).start();
    try {
      // Two accounts have the known file, each on its own; a third one has another file as long.
      for (const [name, tree] of [["ann", "known"], ["bob", "known"], ["cat", "other"]] as const) {
        const before = new Set(blobs(hub).keys());
        const person = await Person.make(`${dir}/${name}`, [hub.invite]);
        await person.run(["portal", "create", "mine", `${dir}/${tree}`]);
        stored.set(name, new Map([...blobs(hub)].filter(([address]) => !before.has(address))));
        const { about } = readRing(`${person.dir}/config/warp/portal.key`);
        keys = [...keys, about.account, about.device];
      }
      const [ann, bob, cat] = ["ann", "bob", "cat"].map((name) => stored.get(name)!);
      assert.ok(ann!.size >= 5 && [...ann!.keys()].every((address) => !bob!.has(address)));
      // Lengths are powers of two, and those of the other file are the same ones.
      const lengths = (map: Map<string, number>) => [...map.values()].sort((a, b) => a - b);
      for (const length of lengths(ann!)) {
        assert.ok(length >= 4096 && Number.isInteger(Math.log2(length)));
      }
      assert.deepEqual(lengths(cat!), lengths(ann!));

      // The attacker seals the known file with whatever is not secret, whole, in parts, cut as anyone may cut it.
      const secrets = [new Uint8Array(32), blake3(known), sha256(known), ...keys];
      const guesses = new Set<string>();
      for (const secret of secrets) {
        for (const pack of packsOf(known, new Uint8Array(secret))) guesses.add(toHex(blake3(pack)));
        for (const part of [known, ...chunksOf(known, new Uint8Array(secret))]) {
          const digest = blake3(new Uint8Array(part));
          guesses.add(toHex(digest));
          guesses.add(toHex(chunkId(new Uint8Array(secret), digest)));
        }
      }
      for (const map of stored.values()) {
        for (const address of map.keys()) assert.ok(!guesses.has(address));
      }
      // With the secret it can be told: the attack is the right one, and what is missing is the secret.
      const ring = await openKeyRing(readRing(`${dir}/ann/config/warp/portal.key`), undefined);
      const secret = new Uint8Array(ring.keys.copySecrets().convergenceSecret);
      ring.keys.wipe();
      const packs = packsOf(known, secret).map((pack) => toHex(blake3(pack)));
      assert.ok(packs.length >= 3 && packs.every((address) => ann!.has(address)));
      assert.ok(!packs.some((address) => bob!.has(address)));
    } finally {
      await hub.stop("SIGKILL");
    }
  });
});

/** What somebody with this domain secret would store of a file. */
function packsOf(content: Uint8Array, secret: Uint8Array): Uint8Array[] {
  const chunks = chunksOf(content, secret);
  const offsets = new Float64Array(chunks.length + 1);
  const digests = new Uint8Array(32 * chunks.length);
  chunks.forEach((chunk, i) => {
    offsets[i + 1] = offsets[i]! + chunk.length;
    digests.set(blake3(new Uint8Array(chunk)), 32 * i);
  });
  const sealer = new ChunkSealer(kernels, secret), packer = new Packer(secret);
  const all = chunks.map((_, i) => i);
  const sealed = sealer.seal(content, offsets, digests, all);
  const packs: Uint8Array[] = [];
  for (const k of all) {
    const { full } = packer.add(sealed.bytes.slice(sealed.offsets[k], sealed.offsets[k + 1]));
    if (full !== undefined) packs.push(full);
  }
  const end = packer.finish();
  return end === undefined ? packs : [...packs, end];
}

/** Address and length of all that the hub stores. */
function blobs({ data }: HubProcess): Map<string, number> {
  const found = new Map<string, number>();
  for (const path of filesBelow(`${data}/blobs`)) {
    const match = /\/([0-9a-f]{64})-[0-9a-f]{12}$/.exec(path);
    if (match !== null) found.set(match[1]!, Deno.statSync(path).size);
  }
  return found;
}
