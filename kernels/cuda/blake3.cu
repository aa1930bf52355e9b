// The kernel `blake3`: spec/blake3.md. The hash itself is in blake3.cuh.
#include "blake3.cuh"
#include "philox.cuh"

// The input from its seed: one thread, 16 bytes.
POGW_KERNEL blake3_fill(i8* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (q < pg_blocks_i8(len)) pg_fill_i8(out, len, pg_stream(key_0, key_1, high_0, high_1), q);
}

POGW_TABLE(blake3, POGW_BLAKE3_ENTRIES POGW_ENTRY(blake3_fill))
