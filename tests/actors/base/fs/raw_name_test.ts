/**
 * Names as strings of bytes, and errors of the system in words.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isErrno, systemError } from "../../../../actors/base/fs/errno.ts";
import { groupName, userId, userName } from "../../../../actors/base/fs/owners.ts";
import {
  bytesFromRaw,
  rawFromBytes,
  rawFromText,
  showRaw,
  textFromRaw,
} from "../../../../actors/base/fs/raw_name.ts";

Deno.test("rawFromBytes() keeps every byte and bytesFromRaw() gives them back", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    assert.deepEqual(bytesFromRaw(rawFromBytes(bytes)), new Uint8Array(bytes));
  }));
  const long = crypto.getRandomValues(new Uint8Array(20_000));
  assert.deepEqual(bytesFromRaw(rawFromBytes(long)), long);
});

Deno.test("textFromRaw() is the inverse of rawFromText(), and undefined for other bytes", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    assert.equal(textFromRaw(rawFromText(text)), text);
  }));
  assert.equal(textFromRaw("\xef\xbb\xbfa"), "\ufeffa");
  assert.equal(textFromRaw("a\xff"), undefined);
  assert.equal(showRaw("a\xff"), "a\ufffd");
});

Deno.test("systemError() names the code that users see and keeps the errno", () => {
  const codes = {
    ENOENT: "E_NOT_FOUND",
    EACCES: "E_ACCESS",
    EPERM: "E_ACCESS",
    ENOSPC: "E_DISK_FULL",
    EDQUOT: "E_DISK_FULL",
    EEXIST: "E_EXISTS",
    EIO: "E_IO",
    EWHATEVER: "E_IO",
  };
  for (const [errno, code] of Object.entries(codes)) {
    const error = systemError("read the file", errno);
    assert.equal(error.code, code);
    assert.match(error.message, /^cannot read the file: ./);
    assert.ok(isErrno(error, errno) && !isErrno(error, "EOTHER"));
  }
});

Deno.test({
  name: "userName() and userId() agree with the system's tables",
  ignore: Deno.build.os === "windows",
  fn() {
    assert.equal(userName(0), "root");
    assert.equal(userId("root"), 0);
    assert.notEqual(groupName(0), "");
    assert.equal(userName(4_000_000_123), "");
    assert.equal(userId("nobody has such a name"), undefined);
  },
});
