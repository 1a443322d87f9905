#include <algorithm>
#include <cstring>

#include "check.h"
#include "reference.h"

namespace {

struct Case {
  Bytes key, nonce, aad, message, sealed;
  bool is_valid;
};

std::vector<Case> wycheproof(const std::string &json) {
  std::vector<Case> cases;
  std::string value[7];
  const char *const names[] = {"key", "iv", "aad", "msg", "ct", "tag", "result"};
  size_t at = json.find("\"testGroups\"");
  for (;;) {
    for (int i = 0; i < 7; i++) {
      if (!next_value(json, names[i], at, value[i])) return cases;
    }
    Case one = {from_hex(value[0]), from_hex(value[1]), from_hex(value[2]), from_hex(value[3]),
                from_hex(value[4] + value[5]), value[6] == "valid"};
    /* Other nonces than RFC 8439's are refused before they get here. */
    if (one.nonce.size() == 12) cases.push_back(one);
  }
}

void append(Bytes &to, const Bytes &more) { to.insert(to.end(), more.begin(), more.end()); }

/* All cases as one batch with keys and additional data of their own. */
void check_wycheproof(warp_context context, const std::string &json) {
  const std::vector<Case> cases = wycheproof(json);
  CHECK(cases.size() > 250);
  Bytes keys, nonces, aad, messages, sealed;
  std::vector<uint64_t> aads, plain, cipher;
  for (const Case &one : cases) {
    append(keys, one.key), append(nonces, one.nonce), append(aad, one.aad);
    append(messages, one.message), append(sealed, one.sealed);
    aads.push_back(one.aad.size()), plain.push_back(one.message.size());
    cipher.push_back(one.sealed.size());
  }
  const auto aad_offsets = offsets_of(aads), from = offsets_of(plain), to = offsets_of(cipher);
  const uint64_t n = cases.size();
  Bytes out(sealed.size()), opened(messages.size() + 1), statuses(n);
  require(context,
          warp_seal(context, messages.data(), from.data(), n, keys.data(), 32, nonces.data(),
                    aad.data(), aad_offsets.data(), out.data(), to.data(), nullptr),
          "warp_seal");
  CHECK(warp_open(context, sealed.data(), to.data(), n, keys.data(), 32, nonces.data(), aad.data(),
                  aad_offsets.data(), opened.data(), from.data(), statuses.data(),
                  nullptr) == WARP_EAUTH);
  for (size_t i = 0; i < n; i++) {
    const Case &one = cases[i];
    CHECK(statuses[i] == (one.is_valid ? 0 : 1));
    const Bytes got(opened.begin() + static_cast<long>(from[i]),
                    opened.begin() + static_cast<long>(from[i + 1]));
    CHECK(got == (one.is_valid ? one.message : Bytes(one.message.size())));
    if (one.is_valid) CHECK(same(out.data() + to[i], one.sealed.data(), cipher[i]));
  }
}

void check_random(warp_context context, uint64_t scale) {
  Random random = {2};
  std::vector<uint64_t> plain, cipher;
  for (uint64_t i = 0; i < 24 * scale; i++) {
    plain.push_back(i % 3 == 0 ? 65536 : random.below(i % 3 == 1 ? 70000 : 200));
    cipher.push_back(plain.back() + 16);
  }
  const auto from = offsets_of(plain), to = offsets_of(cipher);
  const uint64_t n = plain.size();
  const Bytes base = noise(from.back(), 3), key = noise(32, 4), nonces = noise(12 * n, 5);
  Bytes out(to.back()), opened(base.size() + 1), statuses(n);
  require(context,
          warp_seal(context, base.data(), from.data(), n, key.data(), 0, nonces.data(), nullptr,
                    nullptr, out.data(), to.data(), nullptr),
          "warp_seal");
  for (size_t i = 0; i < n; i++) {
    const Bytes want =
        reference_seal(key.data(), nonces.data() + 12 * i, {}, base.data() + from[i], plain[i]);
    CHECK(same(want.data(), out.data() + to[i], want.size()));
  }
  const uint64_t forged = n / 2;
  out[to[forged]] ^= 1;
  CHECK(warp_open(context, out.data(), to.data(), n, key.data(), 0, nonces.data(), nullptr, nullptr,
                  opened.data(), from.data(), statuses.data(), nullptr) == WARP_EAUTH);
  for (size_t i = 0; i < n; i++) {
    const uint8_t *got = opened.data() + from[i];
    CHECK(statuses[i] == (i == forged));
    if (i != forged) CHECK(same(got, base.data() + from[i], plain[i]));
    else CHECK(std::all_of(got, got + plain[i], [](uint8_t byte) { return byte == 0; }));
  }
}

}  // namespace

void check_aead(warp_context context, const std::string &vectors, uint64_t scale) {
  check_wycheproof(context, read_text(vectors + "/wycheproof/chacha20_poly1305_test.json"));
  check_random(context, scale);
  printf("ok   aead: Wycheproof, random batches, forgeries\n");
}
