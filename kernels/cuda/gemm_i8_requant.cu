// The kernel `gemm_i8_requant`: spec/gemm_i8_requant.md. One block, one tile (gemm_i8.cuh).
#include "blake3.cuh"
#include "gemm_i8.cuh"
#include "philox.cuh"

// An operand from its seed: one thread, 16 elements.
POGW_KERNEL gemm_i8_requant_fill(i8* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (q < pg_blocks_i8(len)) pg_fill_i8(out, len, pg_stream(key_0, key_1, high_0, high_1), q);
}

// C = requant(A B, multiplier, shift); A is m x k, B is k x n, C is m x n, row major. Grid: tiles of columns, of rows.
POGW_KERNEL gemm_i8_requant_product(const i8* a, const i8* b, i8* c, u32 m, u32 n, u32 k, i32 multiplier, u32 shift) {
    __shared__ PgSlices slices;
    const u32 row = blockIdx.y * PG_TILE, column = blockIdx.x * PG_TILE;
    i32 totals[4][4];
    pg_tile(totals, slices, pg_matrix(a, m, k), pg_matrix(b, k, n), row, column);
    for (u32 i = 0; i < 4; ++i) {
        for (u32 j = 0; j < 4; ++j) {
            const u32 r = row + threadIdx.y + 16 * i, s = column + threadIdx.x + 16 * j;
            if (r < m && s < n) c[(u64)r * n + s] = pg_requant(totals[i][j], multiplier, shift);
        }
    }
}

POGW_TABLE(gemm_i8_requant,
           POGW_BLAKE3_ENTRIES POGW_ENTRY(gemm_i8_requant_fill) POGW_ENTRY(gemm_i8_requant_product))
