/* Plain code for the same results: no lanes, no tables, no tricks. */
#ifndef WARP_BENCH_REFERENCE_H
#define WARP_BENCH_REFERENCE_H
#include "support.h"

/* RFC 8439 §2.8. Ciphertext and tag. */
Bytes reference_seal(const uint8_t *key, const uint8_t *nonce, const Bytes &aad,
                     const uint8_t *input, uint64_t length);

/* kernels/boundary/spec.ts. */
std::vector<uint32_t> reference_cuts(const warp_boundary_params &params, const uint8_t *input,
                                     uint64_t length, bool is_last);

/* kernels/entropy/spec.ts. */
uint16_t reference_entropy(const uint8_t *input, uint64_t length);

/* An LZ4 block that gives exactly `length` bytes; false for anything else. */
bool reference_lz4(const Bytes &block, uint8_t *out, uint64_t length);

#endif
