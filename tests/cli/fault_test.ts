import assert from "node:assert/strict";
import { Random } from "../support/random.ts";
import { expectWarp, sh, warp, withTempDir } from "../support/warp.ts";

// Goal: whichever actor is killed, throws or hangs in the middle of a command, the command ends
// right or with a typed error, and nothing wrong stands under a final name.
// Method: WARP_FAULT strikes a real actor of the real command at its nth message.

const FAULTS = ["kill", "throw", "hang"];

/** Not E_INTERNAL's 70 for a lost Worker: that is foreseen, and has a code of its own. */
const TYPED = /^warp: error: .+/m;

async function inPairs<T>(
  items: T[],
  work: (item: T, lane: number) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const lane = async (n: number) => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item, n);
  };
  await Promise.all([lane(0), lane(1)]);
}

async function withSource(use: (dir: string) => Promise<void>): Promise<void> {
  await withTempDir(async (dir) => {
    const random = new Random(99);
    await sh(`cp -a /usr/include/linux/netfilter '${dir}/src'`);
    Deno.writeFileSync(`${dir}/src/big`, random.bytes(18 << 20));
    await use(dir);
  });
}

const quick = (fault: string) => ({ env: { WARP_FAULT: fault, WARP_HEARTBEAT_MS: "400" } });

Deno.test("create survives or fails cleanly when any actor is struck", async () => {
  await withSource(async (dir) => {
    const strikes = [
      ...["cipher.0:hash:1", "cipher.0:hash:3", "cipher.1:seal:1", "cipher.1:seal:2"],
      ...["chunker:open:1", "chunker:next:1", "chunker:next:4", "archive:create:1"],
    ];
    const cases = strikes.flatMap((strike) => FAULTS.map((how) => `${strike}:${how}`));
    const survived: string[] = [];
    await inPairs(cases, async (fault, lane) => {
      const out = `${dir}/${lane}.warp`;
      const args = ["create", `${dir}/src`, "-o", out, "--jobs", "2"];
      const { code, stderr } = await warp(args, quick(fault));
      if (code === 0) {
        survived.push(fault);
      } else {
        assert.match(stderr, TYPED, fault);
        assert.ok(!stderr.includes("    at "), `${fault}: a stack is shown`);
        await assert.rejects(Deno.stat(out), fault);
        await expectWarp(0, [...args, "--resume"]);
      }
      await expectWarp(0, ["verify", out]);
      await expectWarp(0, ["diff", out, dir, "--exclude", "*.warp*"]);
      await sh(`rm -f '${out}' '${out}.partial'`);
    });
    // Ciphers and the chunker are replaced under way: the user sees nothing of it.
    for (const actor of ["cipher.0:hash", "cipher.1:seal", "chunker:next", "chunker:open"]) {
      for (const how of FAULTS) {
        const own = survived.filter((fault) => fault.startsWith(actor) && fault.endsWith(how));
        assert.equal(
          own.length,
          actor === "chunker:open" ? 1 : 2,
          `${actor} ${how}: ${survived.join(" ")}`,
        );
      }
    }
  });
});

Deno.test("extract and verify survive or fail cleanly when any actor is struck", async () => {
  await withSource(async (dir) => {
    const archive = `${dir}/x.warp`;
    await expectWarp(0, ["create", `${dir}/src`, "-o", archive]);
    const strikes = ["cipher.0:open:1", "cipher.1:open:2", "archive:extract:1"];
    const cases = strikes.flatMap((strike) => FAULTS.map((how) => `${strike}:${how}`));
    await inPairs(cases, async (fault, lane) => {
      const out = `${dir}/out${lane}`;
      const { code, stderr } = await warp(
        ["extract", archive, "-C", out, "--jobs", "2"],
        quick(fault),
      );
      if (code === 0) {
        await sh(`diff -r '${dir}/src' '${out}/src'`);
      } else {
        assert.match(stderr, TYPED, fault);
        assert.ok(fault.startsWith("archive"), `${fault}: ciphers are replaced\n${stderr}`);
        // Whatever has its final name is whole.
        await sh(
          `mkdir -p '${out}/src'; cd '${out}/src'; find . -type f ! -name '.warp-*' -exec cmp '{}' '${dir}/src/{}' \\;`,
        );
      }
      await sh(`rm -rf '${out}'`);
    });
    for (const how of FAULTS) {
      await expectWarp(0, ["verify", archive, "--jobs", "2"], quick(`cipher.0:leaves:2:${how}`));
    }
  });
});
