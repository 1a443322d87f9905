/**
 * @module Tests of the owner's dashboard, in a real Chromium against a real hub.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { recipientsOf } from "../../actors/portal/directory.ts";
import { HubClient } from "../../actors/portal/hub_client.ts";
import { createSigner, verifySignature } from "../../actors/cipher/signature.ts";
import { linkKeys, parseLink } from "../../actors/portal/link.ts";
import { sealReason } from "../../actors/portal/reasons.ts";
import { hasChromium, overflow, type Visit, visit, withBrowser } from "../support/browser.ts";
import { makeLink, makePortal, PASSPHRASE, type Scene, withScene } from "./page_support.ts";

const options = { ignore: !hasChromium(), sanitizeOps: false, sanitizeResources: false };

async function unlock(
  { page }: Visit,
  { ringFile }: Scene,
  passphrase = PASSPHRASE,
): Promise<void> {
  await page.getByLabel("Key ring file").setInputFiles({
    name: "portal.key",
    mimeType: "application/octet-stream",
    buffer: Buffer.from(ringFile),
  });
  await page.getByLabel("Passphrase").fill(passphrase);
  await page.getByRole("button", { name: "Unlock" }).click();
}

function assertClean({ requests, violations, faults }: Visit, { ring }: Scene): void {
  const secrets = ring.keys.copySecrets();
  for (const secret of [PASSPHRASE, ...Object.values(secrets).map(toBase64Url)]) {
    for (const request of requests) assert.ok(!request.includes(secret));
  }
  assert.deepEqual(violations, []);
  assert.deepEqual(faults, []);
}

Deno.test({
  ...options,
  name: "unlocking, state changes in both directions as they happen, and locking",
  fn: () =>
    withScene(async (scene) => {
      const { desk, url } = scene;
      const portal = await makePortal(scene, { name: "Accounts 2026", policy: "downloads 5" });
      const id = { portal: portal.info.portal };
      const setState = (event: "open" | "pause" | "close") =>
        desk.client.call("POST /v1/portals/{portal}/state", id, { event });
      const state = async () => (await desk.client.call("GET /v1/portals/{portal}", id)).state;
      await withBrowser(async (browser) => {
        await visit(browser, url, async (visit) => {
          const { page } = visit;
          await unlock(visit, scene, "wrong");
          await page.getByRole("alert").getByText("E_KEY_WRONG").waitFor();
          await unlock(visit, scene);
          const card = page.getByRole("article", { name: "Accounts 2026" });
          await card.getByText("open", { exact: true }).waitFor();
          await card.getByText("Policy: for 5 downloads").waitFor();
          await page.getByText("this key ring").waitFor();
          await page.getByText("live", { exact: true }).waitFor();

          // Without events it would take a minute until anything is asked again.
          await setState("pause");
          await card.getByText("paused", { exact: true }).waitFor();
          await card.getByRole("button", { name: "Open Accounts 2026" }).focus();
          await page.keyboard.press("Enter");
          await card.getByText("open", { exact: true }).waitFor();
          assert.equal(await state(), "active");

          const other = await makePortal(scene, { name: "A new one", isOpen: false });
          await page.getByRole("article", { name: "A new one" }).getByText("not opened yet")
            .waitFor();
          assert.ok(other.info.portal !== portal.info.portal);

          page.once("dialog", (dialog) => void dialog.accept());
          await card.getByRole("button", { name: "Close Accounts 2026" }).click();
          await card.getByText("closed", { exact: true }).waitFor();
          assert.equal(await state(), "expired");

          await page.setViewportSize({ width: 360, height: 700 });
          assert.equal(await overflow(visit), 0);
          await page.getByRole("button", { name: "Lock" }).click();
          await page.getByLabel("Passphrase").waitFor();
          assert.equal(await page.getByRole("article").count(), 0);
          assert.equal(await page.getByLabel("Passphrase").inputValue(), "");
          assertClean(visit, scene);
        });
      });
    }),
});

Deno.test({
  ...options,
  name: "a request appears with its reason, and is approved or denied",
  fn: () =>
    withScene(async (scene) => {
      const { desk, url } = scene;
      const portal = await makePortal(scene, { name: "Plans" });
      const id = portal.info.portal;
      const { address } = await makeLink(scene, portal, { label: "Berta" });
      const keys = await linkKeys(parseLink(address).secret, undefined, () => assert.fail());
      const signer = createSigner(keys.authSeed);
      const visitor = new HubClient({ url, hubKey: null, key: signer, verify: verifySignature });
      const ask = async (text: string) => {
        const recipients = recipientsOf(await desk.directory.find(portal.owner));
        const reason = toBase64Url(await sealReason(text, portal.id, recipients));
        await visitor.call("POST /v1/portals/{portal}/requests", { portal: id }, { reason });
      };
      const states = async () => {
        const answer = await desk.client.call("GET /v1/portals/{portal}/requests", { portal: id });
        return answer.requests.map((one) => one.state).sort();
      };
      await withBrowser(async (browser) => {
        await visit(browser, url, async (visit) => {
          const { page } = visit;
          await unlock(visit, scene);
          const card = page.getByRole("article", { name: "Plans" });
          await page.getByText("live", { exact: true }).waitFor();
          await ask("my disk <script>alert(1)</script> died");
          await card.getByText("Request from Berta (a link)").waitFor();
          await card.getByText("my disk <script>alert(1)</script> died").waitFor();
          await card.getByLabel("Let in for").selectOption({ label: "1 week" });
          await card.getByRole("button", { name: "Approve" }).click();
          await card.getByText("Request from").waitFor({ state: "detached" });
          assert.deepEqual(await states(), ["approved"]);
          await ask("once more");
          await card.getByRole("button", { name: "Deny" }).click();
          await card.getByText("Request from").waitFor({ state: "detached" });
          assert.deepEqual(await states(), ["approved", "denied"]);
          assertClean(visit, scene);
        });
      });
    }),
});

Deno.test({
  ...options,
  name: "a file that is no key ring, one that is damaged, and a device that the hub does not know",
  fn: () =>
    withScene(async (scene) => {
      const damaged = scene.ringFile.slice();
      damaged[60]! ^= 1;
      await withBrowser(async (browser) => {
        await visit(browser, scene.url, async (visit) => {
          const { page } = visit;
          await page.getByRole("button", { name: "Unlock" }).click();
          await page.getByRole("alert").getByText("E_USAGE").waitFor();
          await unlock(visit, { ...scene, ringFile: new Uint8Array(1_000_000) });
          await page.getByRole("alert").getByText("no key ring").waitFor();
          await unlock(visit, { ...scene, ringFile: damaged });
          await page.getByRole("alert").getByText("E_INTEGRITY").waitFor();
          await scene.hub.hub.db.all("DELETE FROM devices");
          await unlock(visit, scene);
          await page.getByRole("alert").getByText("E_AUTH").waitFor();
          assertClean(visit, scene);
        });
      });
    }),
});
