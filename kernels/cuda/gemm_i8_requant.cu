// The kernel `gemm_i8_requant`: spec/gemm_i8_requant.md. One block, one tile (gemm_i8_wide.cuh).
#include "blake3.cuh"
#include "gemm_i8_wide.cuh"
#include "philox.cuh"
#include "tiles.cuh"

// An operand from its seed: one thread, 16 elements.
POGW_KERNEL gemm_i8_requant_fill(i8* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (q < pg_blocks_i8(len)) pg_fill_i8(out, len, pg_stream(key_0, key_1, high_0, high_1), q);
}

// Writes sums to C, requantised. `quads`: four of a row from a column on that is a multiple of 4 may be written as one.
struct GemmI8RequantOut {
    i8* c;
    u32 n;
    bool quads;
    i32 multiplier;
    u32 shift;

    POGW_MEMBER i8 value(i32 sum) { return pg_requant(sum, multiplier, shift); }
    POGW_MEMBER void one(u32 r, u32 s, i32 sum) { c[(u64)r * n + s] = value(sum); }
    POGW_MEMBER void four(u32 r, u32 s, u32 count, const i32 (&sums)[4]) {
        i8* to = c + (u64)r * n + s;
        u32 word = 0;
#pragma unroll
        for (u32 j = 0; j < 4; ++j) word |= (u32)(u8)value(sums[j]) << (8 * j);
        if (quads) {
            *reinterpret_cast<u32*>(to) = word;
            return;
        }
#pragma unroll
        for (u32 j = 0; j < 4; ++j) {
            if (j < count) to[j] = (i8)(word >> (8 * j));
        }
    }
};

// C = requant(A B, multiplier, shift); A is m x k, B is k x n, C is m x n, row major, C at a multiple of 4. Grid: tiles of
// columns, of rows.
POGW_KERNEL __launch_bounds__(256, 2)
    gemm_i8_requant_product(const i8* a, const i8* b, i8* c, u32 m, u32 n, u32 k, i32 multiplier, u32 shift) {
    __shared__ PgWideShared shared;
    const PgPlace place = pg_tile_place();
    GemmI8RequantOut out = {c, n, (n & 3u) == 0, multiplier, shift};
    pg_wide_tile(shared, pg_matrix(a, m, k), pg_matrix(b, k, n), place.row * PG_WIDE, place.column * PG_WIDE, out);
}

POGW_TABLE(gemm_i8_requant,
           POGW_BLAKE3_ENTRIES POGW_ENTRY(gemm_i8_requant_fill) POGW_ENTRY(gemm_i8_requant_product))
