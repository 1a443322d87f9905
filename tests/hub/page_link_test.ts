/**
 * @module Tests of the page that opens a link, in a real Chromium against a real hub.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import assert from "node:assert/strict";
import { toHex, utf8 } from "../../actors/base/bytes.ts";
import { changeSettings } from "../../actors/portal/operations.ts";
import { encodeCondition } from "../../actors/portal/policy/decode.ts";
import { parseCondition } from "../../actors/portal/policy/parse.ts";
import {
  downloaded,
  hasChromium,
  overflow,
  type Visit,
  visit,
  withBrowser,
} from "../support/browser.ts";
import { Random } from "../support/random.ts";
import {
  flipLargestBlob,
  makeLink,
  makePortal,
  putFiles,
  type Scene,
  withScene,
} from "./page_support.ts";

/** Downloads through the service worker, where nobody can be asked where to save. */
const NO_PICKERS = "delete window.showSaveFilePicker; delete window.showDirectoryPicker;";
/** The pickers give what the browser keeps for the page: the same interface, and no dialogue. */
const FAKE_PICKERS = `
  const root = () => navigator.storage.getDirectory();
  window.showSaveFilePicker = async ({ suggestedName }) =>
    await (await root()).getFileHandle(suggestedName, { create: true });
  window.showDirectoryPicker = async () =>
    await (await root()).getDirectoryHandle("chosen", { create: true });`;
/** A browser on plain http: no WebCrypto, no workers that serve, no pickers. */
const INSECURE = ["--host-resolver-rules=MAP hub.test 127.0.0.1"];

const random = new Random(91);
const FILES: Record<string, Uint8Array> = {
  "beach.jpg": random.bytes(2_500_000),
  "empty": new Uint8Array(),
  "notes.txt": utf8("hello portal ".repeat(30_000)),
  "raw/ä <img src=x>.dng": random.bytes(70_000),
  "raw/two.dng": random.bytes(600),
};

function writeFiles({ dir }: Scene): string {
  const top = `${dir}/photos`;
  Deno.mkdirSync(`${top}/raw`, { recursive: true });
  for (const [name, bytes] of Object.entries(FILES)) Deno.writeFileSync(`${top}/${name}`, bytes);
  return top;
}

/** Nothing secret has left the page, and its policy held. */
function assertClean({ requests, violations, faults }: Visit, ...secrets: string[]): void {
  assert.ok(requests.length > 3);
  for (const request of requests) {
    for (const secret of secrets) assert.ok(!request.includes(secret), request.slice(0, 200));
  }
  assert.deepEqual(violations, []);
  assert.deepEqual(faults, []);
}

/** SHA-256 of what is saved in the browser's own folder, by path. */
async function saved({ page }: Visit): Promise<Record<string, string>> {
  return await page.evaluate(`(async () => {
    const found = {};
    const hex = (bytes) => [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, "0"));
    const walk = async (folder, path) => {
      for await (const [name, handle] of folder) {
        if (handle.kind === "directory") await walk(handle, path + name + "/");
        else {
          const bytes = await (await handle.getFile()).arrayBuffer();
          found[path + name] = hex(await crypto.subtle.digest("SHA-256", bytes)).join("");
        }
      }
    };
    await walk(await navigator.storage.getDirectory(), "");
    return found;
  })()`) as Record<string, string>;
}

const digestOf = (name: string) => toHex(sha256(FILES[name]!));

async function unzip(bytes: Uint8Array): Promise<Record<string, string>> {
  const path = Deno.makeTempFileSync({ suffix: ".zip" });
  try {
    Deno.writeFileSync(path, bytes);
    const script = "import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\n" +
      "print(json.dumps({n:z.read(n).hex() for n in z.namelist() if n[-1]!='/'}))";
    const { stdout } = await new Deno.Command("python3", { args: ["-c", script, path] }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    Deno.removeSync(path);
  }
}

/** Playwright keeps the browser's pipes for itself. */
const options = { ignore: !hasChromium(), sanitizeOps: false, sanitizeResources: false };

Deno.test({
  ...options,
  name: "a link: names, single files, a ZIP, a folder; on a phone; and no secret leaves the page",
  fn: () =>
    withScene(async (scene) => {
      const portal = await makePortal(scene, {
        name: "Norway <i>",
        policy: "within 7d of creation",
      });
      await putFiles(scene, portal, writeFiles(scene));
      const { address, secret } = await makeLink(scene, portal);
      await withBrowser(async (browser) => {
        await visit(browser, address, async (visit) => {
          const { page } = visit;
          await page.getByRole("heading", { name: "Norway <i>" }).waitFor();
          await page.getByText("5 files").first().waitFor();
          await page.getByText("For 1 week after it was made").waitFor();
          const file = await downloaded(
            visit,
            () => page.getByRole("button", { name: "Download beach.jpg" }).click(),
          );
          assert.equal(file.name, "beach.jpg");
          assert.deepEqual(file.bytes, FILES["beach.jpg"]);
          await page.getByText("every byte was checked").waitFor();
          const all = await downloaded(
            visit,
            () => page.getByRole("button", { name: "Download all (ZIP)" }).click(),
          );
          assert.equal(all.name, "Norway _i_.zip");
          const expected = Object.entries(FILES).map(([name, bytes]) => [
            `photos/${name.replace(/[<>]/g, "_")}`,
            toHex(bytes),
          ]);
          assert.deepEqual(await unzip(all.bytes), Object.fromEntries(expected));
          assertClean(visit, secret, secret.slice(2, 12));
        }, { before: NO_PICKERS });

        await visit(browser, address, async (visit) => {
          const { page } = visit;
          await page.getByRole("button", { name: "raw" }).first().click();
          await page.getByText("ä <img src=x>.dng").waitFor();
          assert.equal(await page.locator("td img").count(), 0, "a name became markup");
          await page.getByLabel("Search names").fill("NOTES");
          await page.getByRole("button", { name: "Download notes.txt" }).click();
          await page.getByText("every byte was checked").waitFor();
          assert.deepEqual(await saved(visit), { "notes.txt": digestOf("notes.txt") });
          await page.getByRole("button", { name: "Save to a folder" }).click();
          await page.getByText("Saved 5 files").waitFor();
          const found = await saved(visit);
          assert.equal(found["chosen/photos/beach.jpg"], digestOf("beach.jpg"));
          assert.equal(Object.keys(found).length, 6);
          const asked = visit.requests.filter((one) => one.includes("/packs/")).length;
          await page.getByRole("button", { name: "Save to a folder" }).click();
          await page.getByText("5 files were there already, and the same").waitFor();
          assert.equal(visit.requests.filter((one) => one.includes("/packs/")).length, asked);
          assert.equal(await overflow(visit), 0);
          assertClean(visit, secret);
        }, { before: FAKE_PICKERS, width: 360, isDark: true });
      });
    }),
});

Deno.test({
  ...options,
  name: "a password: wrong, then right; also on plain http, without WebCrypto",
  fn: () =>
    withScene(async (scene) => {
      const portal = await makePortal(scene, { name: "Locked" });
      await putFiles(scene, portal, writeFiles(scene));
      const { address, secret } = await makeLink(scene, portal, { password: "pa\u0308ssword" });
      await withBrowser(async (browser) => {
        const insecure = address.replace("127.0.0.1", "hub.test");
        await visit(browser, insecure, async (visit) => {
          const { page } = visit;
          assert.equal(await page.evaluate("isSecureContext"), false);
          await page.getByLabel("Password").fill("wrong");
          await page.getByRole("button", { name: "Open" }).click();
          await page.getByText("That password does not open this link.").waitFor();
          // The same letters, composed in another way.
          await page.getByLabel("Password").fill("p\u00e4ssword");
          await page.getByRole("button", { name: "Open" }).click();
          await page.getByRole("heading", { name: "Locked" }).waitFor();
          const file = await downloaded(
            visit,
            () => page.getByRole("button", { name: "Download notes.txt" }).click(),
          );
          assert.deepEqual(file.bytes, FILES["notes.txt"]);
          assertClean(visit, secret, "ssword");
        });
      }, INSECURE);
    }),
});

Deno.test({
  ...options,
  name: "a flipped bit on the hub's disk is an error, and nothing is saved",
  fn: () =>
    withScene(async (scene) => {
      const portal = await makePortal(scene, { name: "Damaged" });
      await putFiles(scene, portal, writeFiles(scene));
      const { address } = await makeLink(scene, portal);
      flipLargestBlob(scene);
      await withBrowser(async (browser) => {
        await visit(browser, address, async (visit) => {
          const { page } = visit;
          await page.getByRole("button", { name: "Download all (ZIP)" }).click();
          await page.getByRole("alert").getByText("E_INTEGRITY").waitFor();
          const left = await saved(visit);
          assert.deepEqual(Object.values(left).filter((one) => one !== digestOf("empty")), []);
          await page.getByRole("button", { name: "Download empty" }).click();
          await page.getByText("every byte was checked").waitFor();
          assertClean(visit);
        }, { before: FAKE_PICKERS });
      });
    }),
});

Deno.test({
  ...options,
  name: "few downloads: looking is none, loading again is none; then closed, with a request",
  fn: () =>
    withScene(async (scene) => {
      const { desk } = scene;
      const portal = await makePortal(scene, { name: "Once" });
      await putFiles(scene, portal, writeFiles(scene));
      const { address, secret } = await makeLink(scene, portal, { downloads: 1, label: "Anna" });
      const id = { portal: portal.info.portal };
      const downloads = async () =>
        (await desk.client.call("GET /v1/portals/{portal}", id)).downloads;
      await withBrowser(async (browser) => {
        await visit(browser, address, async (visit) => {
          const { page } = visit;
          await page.getByText("1 download of this link is left").waitFor();
          assert.equal(await downloads(), 0);
          await page.getByRole("button", { name: "Open the files" }).click();
          await page.getByText("1 of 1 download used").waitFor();
          await page.reload();
          await page.getByText("5 files").first().waitFor();
          assert.equal(await downloads(), 1);
          assertClean(visit, secret);
        });
        await changeSettings(desk, portal, {
          policy: encodeCondition(parseCondition("before 2020-01-01T00:00Z")),
        }, "settings");
        await visit(browser, address, async (visit) => {
          const { page } = visit;
          await page.getByRole("alert").getByText("The portal is closed", { exact: true })
            .waitFor();
          await page.getByLabel("Why do you need it?").fill("I lost the files, sorry: GEHEIM");
          await page.getByRole("button", { name: "Ask the owner" }).click();
          await page.getByText("Sent.").waitFor();
          assertClean(visit, secret, "GEHEIM");
        });
      });
      const { requests } = await desk.client.call("GET /v1/portals/{portal}/requests", id);
      assert.equal(requests.length, 1);
    }),
});
