/** Many at once, on two hubs that share one PostgreSQL and one blob store. */
import assert from "node:assert/strict";
import { enrol, makePortal, random, VirtualClock, withHub } from "../support/hub.ts";
import { startPostgres } from "../support/postgres.ts";
import { CREDENTIALS, startS3 } from "../support/s3.ts";
import { type Replicas, testRaces } from "./races_suite.ts";

const cluster = await startPostgres();

/** @param blobs undefined: a folder */
async function withReplicas(
  body: (replicas: Replicas) => Promise<void>,
  blobs?: string,
): Promise<void> {
  const database = await cluster!.make(), clock = new VirtualClock();
  const dir = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "warp-test-replicas-" });
  try {
    const options = { clock, database, blobs: blobs ?? `${dir}/packs` };
    await withHub(options, (one) => withHub(options, (two) => body([one, two])));
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

if (cluster !== undefined) {
  testRaces("two replicas", withReplicas);

  Deno.test("two replicas have one key, and both know its invite", async () => {
    await withReplicas(async ([one, two]) => {
      await Promise.resolve();
      assert.equal(one.running.key, two.running.key);
      assert.equal(one.running.invite, two.running.invite);
    });
  });

  const s3 = await startS3();
  Deno.test({
    name: "two replicas over a bucket: what one takes the other gives",
    ignore: s3 === undefined,
    fn: async () => {
      Deno.env.set("AWS_ACCESS_KEY_ID", CREDENTIALS.accessKeyId);
      Deno.env.set("AWS_SECRET_ACCESS_KEY", CREDENTIALS.secretAccessKey);
      await withReplicas(async ([one, two]) => {
        const owner = await enrol(one), portal = await makePortal(owner), pack = random(20_000);
        const address = await owner.upload(pack);
        await portal.add([{ view: null, packs: [address] }]);
        const link = await portal.link();
        const there = await link.again(two).login();
        const lease = await portal.lease(link);
        assert.deepEqual((await portal.pack(there, lease, address)).bytes, pack);
      }, s3!.make());
    },
  });
}
