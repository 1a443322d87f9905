/* Correctness on the device: against vectors of others and against plain code. Each ends the
 * program at the first failure. `scale` multiplies sizes: 1 on a CPU. */
#ifndef WARP_BENCH_CHECK_H
#define WARP_BENCH_CHECK_H
#include "support.h"

void check_blake3(warp_context context, const std::string &vectors, uint64_t scale);
void check_aead(warp_context context, const std::string &vectors, uint64_t scale);
void check_lz4(warp_context context, uint64_t scale);
void check_entropy(warp_context context, uint64_t scale);
void check_boundary(warp_context context, uint64_t scale);
void check_fused(warp_context context, uint64_t scale);

/* A table and sizes of `avg_bits`. */
warp_boundary_params boundary_params(uint32_t avg_bits);

/* The value of `"name": "..."` after `at`, which moves behind it; false when there is none. */
bool next_value(const std::string &json, const char *name, size_t &at, std::string &value);

#endif
