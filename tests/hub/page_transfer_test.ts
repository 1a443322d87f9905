/**
 * @module Tests of downloads in the link page that do not go straight: a cut network, a stop, ten thousand
 * files; and of what the page looks like when it has nothing to show.
 */
import assert from "node:assert/strict";
import {
  downloaded,
  hasChromium,
  overflow,
  type Visit,
  visit,
  withBrowser,
} from "../support/browser.ts";
import { Random } from "../support/random.ts";
import { makeLink, makePortal, putFiles, withScene } from "./page_support.ts";

const options = { ignore: !hasChromium(), sanitizeOps: false, sanitizeResources: false };
const NO_PICKERS = "delete window.showSaveFilePicker; delete window.showDirectoryPicker;";

/** Requests for packs fail, as without a network, until the function that it gives is called. */
async function cutPacks({ page }: Visit): Promise<() => Promise<void>> {
  const pattern = "**/packs/*";
  await page.route(pattern, (route) => route.abort("internetdisconnected"));
  return () => page.unroute(pattern);
}

Deno.test({
  ...options,
  name:
    "a download waits for a cut network and goes on with its lease; a stopped one saves nothing",
  fn: () =>
    withScene(async (scene) => {
      const content = new Random(17).bytes(3_000_000);
      Deno.mkdirSync(`${scene.dir}/big`);
      Deno.writeFileSync(`${scene.dir}/big/film.mkv`, content);
      const portal = await makePortal(scene, { name: "Film" });
      await putFiles(scene, portal, `${scene.dir}/big`);
      const { address } = await makeLink(scene, portal, { downloads: 1 });
      await withBrowser(async (browser) => {
        await visit(browser, address, async (visit) => {
          const { page } = visit;
          await page.getByRole("button", { name: "Open the files" }).click();
          const get = page.getByRole("button", { name: "Download film.mkv" });
          await get.waitFor();
          const mend = await cutPacks(visit);
          const file = await downloaded(visit, async () => {
            await get.click();
            await page.getByText("No connection: waiting").waitFor();
            await mend();
          });
          assert.deepEqual(file.bytes, content);
          await page.getByText("every byte was checked").waitFor();

          const again = await cutPacks(visit);
          await get.click();
          await page.getByRole("button", { name: "Stop film.mkv" }).click();
          await again();
          await page.getByText("Stopped; nothing was saved").waitFor();
          assert.deepEqual([visit.violations, visit.faults], [[], []]);
        }, { before: NO_PICKERS });
      });
    }),
});

Deno.test({
  ...options,
  name: "ten thousand files: a few rows at a time, found by name, in one ZIP",
  fn: () =>
    withScene(async (scene) => {
      const top = `${scene.dir}/many`;
      Deno.mkdirSync(top);
      for (let i = 0; i < 10_000; i++) Deno.writeTextFileSync(`${top}/f${i}.txt`, `number ${i}`);
      const portal = await makePortal(scene, { name: "Many" });
      await putFiles(scene, portal, top);
      const { address } = await makeLink(scene, portal);
      await withBrowser(async (browser) => {
        await visit(browser, address, async (visit) => {
          const { page } = visit;
          await page.getByText("10,000 files").first().waitFor();
          assert.equal(await page.locator("tbody tr").count(), 200);
          await page.getByRole("button", { name: "Show 200 more" }).click();
          assert.equal(await page.locator("tbody tr").count(), 400);
          await page.getByLabel("Search names").fill("f9876.");
          await page.getByText("many/f9876.txt").waitFor();
          await page.getByText("1 file found").waitFor({ state: "attached" });
          assert.equal(await page.locator("tbody tr").count(), 1);
          const all = await downloaded(
            visit,
            () => page.getByRole("button", { name: "Download all (ZIP)" }).click(),
          );
          // The last record says how many there are: the files and their folder.
          const end = new DataView(all.bytes.buffer, all.bytes.byteOffset + all.bytes.length - 22);
          assert.equal(end.getUint32(0, true), 0x0605_4b50);
          assert.equal(end.getUint16(10, true), 10_001);
        }, { before: NO_PICKERS });
      });
    }),
});

Deno.test({
  ...options,
  name: "links that lead nowhere say so: damaged, unknown, empty, names alone",
  fn: () =>
    withScene(async (scene) => {
      const portal = await makePortal(scene, { name: "Empty" });
      const { address } = await makeLink(scene, portal);
      const unknown = address.slice(0, -6) + (address.endsWith("AAAAAA") ? "BBBBBA" : "AAAAAA");
      const expected: [string, RegExp][] = [
        [address.slice(0, -2), /This link cannot be opened.*E_USAGE/s],
        [address.replace(/#.*/, ""), /This link cannot be opened.*E_USAGE/s],
        [unknown, /This link does not exist, or was withdrawn.*E_AUTH/s],
        [address, /There is nothing here yet.*E_NOT_FOUND/s],
      ];
      Deno.mkdirSync(`${scene.dir}/one`);
      Deno.writeTextFileSync(`${scene.dir}/one/plan.txt`, "x".repeat(2000));
      const listed = await makePortal(scene, { name: "Listed" });
      const list = await makeLink(scene, listed, { level: "list" });
      await putFiles(scene, listed, `${scene.dir}/one`);
      expected.push([list.address, /names and sizes alone.*plan\.txt.*1\.95 KiB/s]);
      await withBrowser(async (browser) => {
        for (const [url, text] of expected) {
          await visit(browser, url, async (visit) => {
            const { page } = visit;
            await page.getByText(/E_[A-Z]+|names and sizes alone/).first().waitFor();
            assert.match((await page.textContent("main"))!, text);
            assert.equal(await page.getByRole("button", { name: /Get|Download/ }).count(), 0);
            assert.equal(await overflow(visit), 0);
            assert.deepEqual([visit.violations, visit.faults], [[], []]);
          }, { width: 360 });
        }
      });
    }),
});
