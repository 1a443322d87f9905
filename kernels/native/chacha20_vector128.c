/* ChaCha20, 4 blocks at a time: SSE or NEON. */
#define LANES 4
#define CHACHA20_RUN chacha20_run_vector128
#include "chacha20_lanes.h"
