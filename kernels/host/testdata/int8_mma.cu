// The int8 products as a device computes them, with the host's twins of its instructions: tries tiles, addresses,
// fragments and barriers. No part of any release.
#define POGW_MMA_TWIN 1
#include "cuda_host.h"

// One module for the three: their own tables are left out.
#pragma push_macro("POGW_TABLE")
#undef POGW_TABLE
#define POGW_TABLE(module, entries)
#include "gemm_chain.cu"
#include "gemm_i8.cu"
#include "gemm_i8_requant.cu"
#pragma pop_macro("POGW_TABLE")

POGW_TABLE(int8_mma, POGW_ENTRY(gemm_chain_fill) POGW_ENTRY(gemm_chain_step) POGW_ENTRY(gemm_i8_fill)
                         POGW_ENTRY(gemm_i8_product) POGW_ENTRY(gemm_i8_requant_fill)
                             POGW_ENTRY(gemm_i8_requant_product))
