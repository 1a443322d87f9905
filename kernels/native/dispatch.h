/* Which instruction set to use. */
#ifndef WARP_DISPATCH_H
#define WARP_DISPATCH_H
#include "../../cuda/warp_kernels.h"

/* Worst to best. VECTOR128 is SSE4.1 or NEON. */
enum { WARP_ISA_SCALAR = 0, WARP_ISA_VECTOR128 = 1, WARP_ISA_AVX2 = 2, WARP_ISA_AVX512 = 3 };

int warp_isa(void);

/* Whether warp_isa_limit keeps the best one from being used. */
int warp_isa_is_limited(void);

#endif
