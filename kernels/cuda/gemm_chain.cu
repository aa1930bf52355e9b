// The kernel `gemm_chain`: spec/gemm_chain.md. One block, one tile (gemm_i8.cuh).
#include "blake3.cuh"
#include "gemm_i8.cuh"
#include "philox.cuh"

// The first matrix and the weights from their seed: one thread, 16 elements.
POGW_KERNEL gemm_chain_fill(i8* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (q < pg_blocks_i8(len)) pg_fill_i8(out, len, pg_stream(key_0, key_1, high_0, high_1), q);
}

// Y = transpose of requant(X W, multiplier, shift), all n x n, row major. Grid: tiles of W's columns, of X's rows.
POGW_KERNEL gemm_chain_step(const i8* x, const i8* w, i8* y, u32 n, i32 multiplier, u32 shift) {
    __shared__ PgSlices slices;
    const u32 row = blockIdx.y * PG_TILE, column = blockIdx.x * PG_TILE;
    i32 totals[4][4];
    pg_tile(totals, slices, pg_matrix(x, n, n), pg_matrix(w, n, n), row, column);
    // The tile goes through shared memory, so that a row of Y is written by neighbours.
    u8* tile = reinterpret_cast<u8*>(slices.a);
    for (u32 i = 0; i < 4; ++i) {
        for (u32 j = 0; j < 4; ++j) {
            const u8 value = (u8)pg_requant(totals[i][j], multiplier, shift);
            tile[(threadIdx.x + 16 * j) * PG_TILE + threadIdx.y + 16 * i] = value;
        }
    }
    __syncthreads();
    for (u32 r = threadIdx.y; r < PG_TILE; r += 16) {
        for (u32 j = 0; j < 4; ++j) {
            const u32 s = threadIdx.x + 16 * j;
            if (column + r < n && row + s < n) y[(u64)(column + r) * n + row + s] = (i8)tile[r * PG_TILE + s];
        }
    }
}

POGW_TABLE(gemm_chain, POGW_BLAKE3_ENTRIES POGW_ENTRY(gemm_chain_fill) POGW_ENTRY(gemm_chain_step))
