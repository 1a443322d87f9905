/* Which instruction set to use. */
#ifndef WARP_DISPATCH_H
#define WARP_DISPATCH_H
#include "warp_kernels.h"

int warp_isa(void);

#endif
