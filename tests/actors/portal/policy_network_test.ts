import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatNetwork,
  isInNetwork,
  type Network,
  parseAddress,
  parseNetwork,
  suggestNetwork,
} from "../../../actors/portal/policy/network.ts";

const bits128 = (value: bigint) => value.toString(2).padStart(128, "0");
const V4 = "0".repeat(80) + "1".repeat(16);

/** Addresses as text in one of many ways, and as 128 characters of bits. */
const v4 = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((parts) => ({
  text: parts.join("."),
  bits: V4 + parts.map((part) => part.toString(2).padStart(8, "0")).join(""),
}));
const words = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });
const v6 = fc.tuple(words, fc.boolean(), fc.nat(7), fc.nat(7)).map(([words, isUpper, a, b]) => {
  const [from, to] = [Math.min(a, b), Math.max(a, b)];
  const shown = [...words];
  const hex = (part: number[]) => part.map((word) => word.toString(16)).join(":");
  let text = hex(shown);
  if (to > from) {
    // Any run may be left out, if it is of zeroes.
    shown.fill(0, from, to);
    text = `${hex(shown.slice(0, from))}::${hex(shown.slice(to))}`;
  }
  const bits = shown.map((word) => word.toString(2).padStart(16, "0")).join("");
  return { text: isUpper ? text.toUpperCase() : text, bits };
});
const mapped = v4.map(({ text, bits }) => ({ text: `::ffff:${text}`, bits }));
const address = fc.oneof(v4, v6, mapped);

Deno.test("addresses are their bits, in whichever way they are written", () => {
  fc.assert(
    fc.property(address, ({ text, bits }) => {
      assert.equal(bits128(parseAddress(text)!), bits);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("an address is in a network when their first bits are the same", () => {
  fc.assert(
    fc.property(address, address, fc.nat(128), fc.nat(127), (one, other, prefix, flip) => {
      const base = other.bits.slice(0, prefix).padEnd(128, "0");
      const network: Network = { base: BigInt(`0b${base}`), prefix };
      // Addresses near the network as well as any.
      const near = base.slice(0, flip) + (base[flip] === "0" ? "1" : "0") + base.slice(flip + 1);
      for (const bits of [one.bits, base, near]) {
        assert.equal(
          isInNetwork(BigInt(`0b${bits}`), network),
          bits.startsWith(base.slice(0, prefix)),
        );
      }
      assert.deepEqual(parseNetwork(formatNetwork(network)), network);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("known answers", () => {
  const inside = (address: string, network: string) =>
    isInNetwork(parseAddress(address)!, parseNetwork(network) as Network);
  assert.ok(inside("10.255.255.255", "10.0.0.0/8"));
  assert.ok(!inside("11.0.0.0", "10.0.0.0/8"));
  assert.ok(inside("::ffff:10.0.0.1", "10.0.0.0/8"));
  assert.ok(inside("10.0.0.1", "::ffff:a00:0/104"));
  assert.ok(inside("10.0.0.1", "::/0") && inside("10.0.0.1", "0.0.0.0/0"));
  assert.ok(!inside("2001:db8::1", "0.0.0.0/0"));
  assert.ok(!inside("::10.0.0.1", "10.0.0.0/8"), "only ::ffff:0:0/96 is IPv4");
  assert.ok(inside("172.31.255.255", "172.16.0.0/12") && !inside("172.32.0.0", "172.16.0.0/12"));
  assert.ok(inside("192.0.2.129", "192.0.2.128/25") && !inside("192.0.2.127", "192.0.2.128/25"));
  assert.ok(inside("fe80::1%eth0", "fe80::/10"));
  const format = (text: string) => formatNetwork(parseNetwork(text) as Network);
  assert.equal(format("2001:DB8:0:0:0:0:0:0/32"), "2001:db8::/32");
  assert.equal(format("::ffff:10.0.0.0/104"), "10.0.0.0/8");
  assert.equal(format("1:0:0:2:0:0:0:3"), "1:0:0:2::3/128");
  assert.equal(format("1:0:0:2:0:0:3:4"), "1::2:0:0:3:4/128");
  assert.equal(format("1:0:2:3:4:5:6:7"), "1:0:2:3:4:5:6:7/128");
  assert.equal(parseNetwork("10.1.2.3/8"), "bits");
  assert.equal(suggestNetwork("10.1.2.3/8"), "10.0.0.0/8");
  assert.equal(suggestNetwork("2001:db8::1/32"), "2001:db8::/32");
});

Deno.test("what is no address or network is refused", () => {
  const wrong = [
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "1.2.3.4:80",
    "::1::",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "12345::",
    "g::",
    "[::1]",
    "::1.2.3",
    "1.2.3.4%a",
    "::1%",
    "-1.2.3.4",
    " ::1",
    "0x1.2.3.4",
    "1.2.3.4\n",
    ":1:2:3:4:5:6:7",
  ];
  for (const text of wrong) assert.equal(parseAddress(text), undefined, JSON.stringify(text));
  for (
    const text of [
      ...wrong,
      "10.0.0.0/33",
      "::/129",
      "10.0.0.0/",
      "10.0.0.0/08",
      "10.0.0.0/8/8",
      "10.0.0.0/-1",
      "fe80::%eth0/64",
      "::/1e1",
    ]
  ) {
    assert.equal(parseNetwork(text), undefined, JSON.stringify(text));
  }
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."0123456789abf:./%") }), (text) => {
      const network = parseNetwork(text);
      if (typeof network === "object") {
        assert.deepEqual(parseNetwork(formatNetwork(network)), network);
      }
    }),
    { numRuns: 5000 },
  );
});
