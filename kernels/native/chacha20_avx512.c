/* ChaCha20, 16 blocks at a time: AVX-512. */
#define LANES 16
#define CHACHA20_RUN chacha20_run_avx512
#include "chacha20_lanes.h"
