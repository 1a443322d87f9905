#include "support.h"

#include <cstring>
#include <fstream>
#include <sstream>

void fill_noise(uint8_t *to, uint64_t bytes, uint64_t seed) {
  Random random = {seed};
  uint64_t at = 0;
  for (; at + 8 <= bytes; at += 8) {
    const uint64_t word = random.next();
    memcpy(to + at, &word, 8);
  }
  for (; at < bytes; at++) to[at] = static_cast<uint8_t>(random.next());
}

void fill_text(uint8_t *to, uint64_t bytes, uint64_t seed) {
  static const char *const words[] = {"warp ", "weft ", "chunk ", "archive ", "nonce\n", "merkle ",
                                      "edge ", "frame ", "portal ", "{ ", "};\n", "return ",
                                      "import ", "const ", "uint32_t ", "for "};
  Random random = {seed};
  for (uint64_t at = 0; at < bytes;) {
    char number[24];
    const char *word = words[random.below(16)];
    if (random.below(3) == 0) {
      const unsigned long long some = random.next() >> 30;
      snprintf(number, sizeof number, "%llx ", some);
      word = number;
    }
    const uint64_t length = strlen(word), some = length < bytes - at ? length : bytes - at;
    memcpy(to + at, word, some);
    at += some;
  }
}

Bytes noise(uint64_t bytes, uint64_t seed) {
  Bytes out(bytes);
  fill_noise(out.data(), bytes, seed);
  return out;
}

Bytes text(uint64_t bytes, uint64_t seed) {
  Bytes out(bytes);
  fill_text(out.data(), bytes, seed);
  return out;
}

Bytes from_hex(const std::string &hex) {
  Bytes out;
  for (size_t at = 0; at + 2 <= hex.size(); at += 2) {
    out.push_back(static_cast<uint8_t>(strtoul(hex.substr(at, 2).c_str(), nullptr, 16)));
  }
  return out;
}

std::string read_text(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    printf("FAIL cannot read %s\n", path.c_str());
    exit(1);
  }
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

std::vector<uint64_t> offsets_of(const std::vector<uint64_t> &lengths) {
  std::vector<uint64_t> offsets = {0};
  for (const uint64_t length : lengths) offsets.push_back(offsets.back() + length);
  return offsets;
}

void require(warp_context context, warp_status status, const char *call) {
  if (status == WARP_OK) return;
  char words[256] = "";
  warp_last_error(context, words, sizeof words);
  printf("FAIL %s: status %d %s\n", call, status, words);
  exit(1);
}
