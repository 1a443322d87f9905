/* One block through liblz4 or libzstd, which are opened when first needed. */
#ifndef WARP_CODEC_H
#define WARP_CODEC_H
#include "../../cuda/warp_kernels.h"

/* Bytes used of `capacity`; 0 when it does not fit. */
uint32_t lz4_pack(const uint8_t *input, uint64_t length, uint8_t *out, uint64_t capacity);
/* Whether `out` was filled exactly. */
int lz4_unpack(const uint8_t *input, uint64_t length, uint8_t *out, uint64_t out_length);
/* Version, as 10904; 0 when it is not installed. */
int lz4_version(void);
int zstd_version(void);

#endif
