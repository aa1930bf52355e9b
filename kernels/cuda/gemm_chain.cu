// The kernel `gemm_chain`: spec/gemm_chain.md. One block, one tile (gemm_i8_wide.cuh).
#include "blake3.cuh"
#include "gemm_i8_wide.cuh"
#include "philox.cuh"
#include "tiles.cuh"

// The first matrix and the weights from their seed: one thread, 16 elements.
POGW_KERNEL gemm_chain_fill(i8* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (q < pg_blocks_i8(len)) pg_fill_i8(out, len, pg_stream(key_0, key_1, high_0, high_1), q);
}

// Writes sums to a tile in shared memory, requantised and transposed: row s of it has the values of column s.
struct GemmChainOut {
    u8* tile;
    u32 row, column;
    i32 multiplier;
    u32 shift;

    POGW_MEMBER void one(u32 r, u32 s, i32 sum) {
        tile[(s - column) * PG_WIDE + r - row] = (u8)pg_requant(sum, multiplier, shift);
    }
    // What is beyond the matrix is not read back.
    POGW_MEMBER void four(u32 r, u32 s, u32, const i32 (&sums)[4]) {
#pragma unroll
        for (u32 j = 0; j < 4; ++j) one(r, s + j, sums[j]);
    }
};

// Writes the tile to Y, of which its first element is in row `column` and column `row`.
POGW_INLINE void gemm_chain_write(i8* y, u32 n, u32 row, u32 column, const u8* tile) {
    const bool words = (n & 3u) == 0;
    const u32 lines = min(n - column, (u32)PG_WIDE), width = min(n - row, (u32)PG_WIDE);
    for (u32 e = threadIdx.y * 16 + threadIdx.x; e < lines * (PG_WIDE / 4); e += 256) {
        const u32 line = e / (PG_WIDE / 4), at = e % (PG_WIDE / 4) * 4;
        const u8* from = tile + line * PG_WIDE + at;
        i8* to = y + (u64)(column + line) * n + row + at;
        if (words && at < width) {
            *reinterpret_cast<u32*>(to) = *reinterpret_cast<const u32*>(from);
        } else {
            for (u32 i = 0; i < 4 && at + i < width; ++i) to[i] = (i8)from[i];
        }
    }
}

// Y = transpose of requant(X W, multiplier, shift), all n x n, row major. Grid: tiles of W's columns, of X's rows. The tile
// goes through shared memory, so that a row of Y is written by neighbours.
POGW_KERNEL __launch_bounds__(256, 2)
    gemm_chain_step(const i8* x, const i8* w, i8* y, u32 n, i32 multiplier, u32 shift) {
    __shared__ PgWideShared shared;
    const PgPlace place = pg_tile_place();
    const u32 row = place.row * PG_WIDE, column = place.column * PG_WIDE;
    u8* tile = pg_wide_spare(shared);
    GemmChainOut out = {tile, row, column, multiplier, shift};
    pg_wide_tile(shared, pg_matrix(x, n, n), pg_matrix(w, n, n), row, column, out);
    __syncthreads();
    gemm_chain_write(y, n, row, column, tile);
}

POGW_TABLE(gemm_chain, POGW_BLAKE3_ENTRIES POGW_ENTRY(gemm_chain_fill) POGW_ENTRY(gemm_chain_step))
