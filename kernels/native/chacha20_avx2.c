/* ChaCha20, 8 blocks at a time: AVX2. */
#define LANES 8
#define CHACHA20_RUN chacha20_run_avx2
#include "chacha20_lanes.h"
