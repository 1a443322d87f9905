/**
 * Words and a hub's address bring back an account on an empty machine; a lost device is retired.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ROOT, sh, withTempDir } from "../support/warp.ts";

const WARP = `'${Deno.execPath()}' run -A --quiet '${ROOT}cli.ts'`;

/** Shell lines with `warp`, machines a, b and c, and a hub that is running as long as they do. */
async function withHub(dir: string, script: string): Promise<string> {
  return await sh(
    `unset WARP_PASSPHRASE
    on() { name=$1; shift; XDG_CONFIG_HOME='${dir}'/$name XDG_STATE_HOME='${dir}'/$name-state ${WARP} "$@"; }
    XDG_CONFIG_HOME='${dir}/hub-config' ${WARP} hub serve --listen 127.0.0.1:0 --data '${dir}/hub' > hub.txt &
    trap 'kill $! 2>/dev/null; wait' EXIT
    until grep -q invite hub.txt; do sleep 0.05; done
    invite=$(sed -n 's/^invite: *//p' hub.txt); address=\${invite%.*}; url=\${invite%%/#*}
    ${script}`,
    dir,
  );
}

Deno.test("words and an address bring back identity, portals and content", async () => {
  await withTempDir(async (dir) => {
    await sh("mkdir -p tree/deep; echo hello > tree/a; seq 50000 > tree/deep/b", dir);
    const shown = await withHub(
      dir,
      `on a key new --words -q > words; on a hub login "$invite"
      on b key new --words -q > words-b; on b hub login "$invite"
      on a portal create mine tree -q; on b portal create theirs tree/a -q
      account=$(on a key show | sed -n 's/^account: *//p')
      on b portal grant theirs "$account" > /dev/null
      on b portal group team --add "$account" > /dev/null
      rm -rf a a-state
      on c key recover --words-file words --hub "$address"
      on c key show | grep -q "$account"
      on c portal list
      on c portal get mine -C back; diff -r tree back/tree
      on c portal get theirs -C back-2; diff tree/a back-2/a
      echo more > tree/c; on c portal put mine tree
      on c key devices --all`,
    );
    assert.match(shown, /^device: +2$/m);
    assert.match(shown, /^portals: +2$/m);
    assert.match(shown, /^portal mine .* has version 2: 3 files/m);
    assert.match(shown, /^device 2, this one: age1/m);
  });
});

Deno.test("a retired device is let in no more, and has no keys for what comes", async () => {
  await withTempDir(async (dir) => {
    await sh("mkdir tree; echo hello > tree/a", dir);
    const shown = await withHub(
      dir,
      `on a key new --words -q > words; on a hub login "$invite" > /dev/null
      on a portal create mine tree -q
      on b key recover --words-file words --hub "$address" > /dev/null
      on b key retire 1
      echo secret > tree/b; on b portal put mine tree > /dev/null
      on a portal list 2> refused && exit 9
      cat refused; grep -q 'retired' refused
      on b key retire 2 2> own && exit 9
      cat own
      on b portal show mine --json | grep -o '"epoch":[0-9]*'
      on b key recover --words-file words --hub "$url" -o other.key | grep device`,
    );
    assert.match(shown, /device 1 is retired; 1 portals have new keys/);
    assert.match(shown, /a device does not retire itself/);
    assert.match(shown, /"epoch":2/);
    assert.match(shown, /device: +3/, "numbers are never used again");
  });
});

Deno.test("wrong words, an unknown account and another hub are refused", async () => {
  await withTempDir(async (dir) => {
    const shown = await withHub(
      dir,
      `on a key new --words -q > words
      on b key recover --words-file words --hub "$url" 2> unknown && exit 9; cat unknown
      test ! -e b/warp/portal.key
      on a hub login "$url" 2> uninvited && exit 9; cat uninvited
      wrong=$(echo "$address" | tr 'A-Ma-m' 'N-Zn-z')
      on a hub login "$url/#\${wrong#*#}" 2> other && exit 9; cat other
      on a hub login "$invite"
      sed 's/^[a-z]*/zoo/' words > wrong; rm -rf b
      on b key recover --words-file wrong --hub "$url" 2> mistyped && exit 9; cat mistyped`,
    );
    assert.match(shown, /does not know the account of these words/);
    assert.match(shown, /takes new accounts by invitation/);
    assert.match(shown, /checksum|not in the list/);
  });
});
