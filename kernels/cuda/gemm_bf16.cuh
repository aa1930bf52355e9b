// What both bf16 products, on tensor cores and without, have in common: the operands of a seeded job.
#pragma once

#include "philox.cuh"

// Two draws of spec/gemm_bf16.md in a word: sign and fraction as drawn, exponents of -7 to 0.
POGW_INLINE u32 gemm_bf16_draws(u32 word) { return (word & 0x83ff83ffu) | 0x3c003c00u; }

// Writes elements 8q to 8q + 7 of a matrix of `len`, or those of them that it has. `out` is aligned to 16 bytes.
POGW_INLINE void gemm_bf16_fill_block(u16* out, u64 len, const PgStream& stream, u64 q) {
    PgBlock block = pg_stream_block(stream, q);
    for (u32 i = 0; i < 4; ++i) block.word[i] = gemm_bf16_draws(block.word[i]);
    const u64 first = q << 3;
    if (len - first >= 8) {
        pg_store_block(out + first, block);
    } else {
        for (u32 i = 0; first + i < len; ++i) out[first + i] = (u16)(pg_block_word(block, i >> 1) >> (16u * (i & 1u)));
    }
}

// Thread q of the grid, in blocks of 256: block q of the stream.
POGW_KERNEL gemm_bf16_fill(u16* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * 256 + threadIdx.x;
    const u64 blocks = (len >> 3) + ((len & 7u) != 0 ? 1 : 0);
    if (q < blocks) gemm_bf16_fill_block(out, len, pg_stream(key_0, key_1, high_0, high_1), q);
}
