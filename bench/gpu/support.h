/* What the checks and benchmarks share: data, time, one context. */
#ifndef WARP_BENCH_SUPPORT_H
#define WARP_BENCH_SUPPORT_H
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../../cuda/warp_kernels.h"

using Bytes = std::vector<uint8_t>;

/* splitmix64. */
struct Random {
  uint64_t state;

  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  uint64_t below(uint64_t most) { return next() % most; }
};

void fill_noise(uint8_t *to, uint64_t bytes, uint64_t seed);
/* Words and numbers: LZ4 halves it, about. */
void fill_text(uint8_t *to, uint64_t bytes, uint64_t seed);
Bytes noise(uint64_t bytes, uint64_t seed);
Bytes text(uint64_t bytes, uint64_t seed);

Bytes from_hex(const std::string &hex);
/* Ends the program when the file cannot be read. */
std::string read_text(const std::string &path);

inline bool same(const uint8_t *a, const uint8_t *b, uint64_t bytes) {
  return bytes == 0 || memcmp(a, b, bytes) == 0;
}

/* Offsets of items of these lengths. */
std::vector<uint64_t> offsets_of(const std::vector<uint64_t> &lengths);

/* The call's status, WARP_OK, or the end of the program with the library's words. */
void require(warp_context context, warp_status status, const char *call);

inline double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/* Ends the program with the place of a check that failed. */
#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #condition);               \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

#endif
