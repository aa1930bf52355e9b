// The Hopper module with the host's twin of its instructions: tries addresses, layouts and barriers, not the hardware.
#include "gemm_bf16_sm90a.cu"
