// The kernel `gemm_i8`: spec/gemm_i8.md. One block, one tile (gemm_i8_wide.cuh).
#include "blake3.cuh"
#include "gemm_i8_wide.cuh"
#include "philox.cuh"
#include "tiles.cuh"

// An operand from its seed: one thread, 16 elements.
POGW_KERNEL gemm_i8_fill(i8* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (q < pg_blocks_i8(len)) pg_fill_i8(out, len, pg_stream(key_0, key_1, high_0, high_1), q);
}

// Writes sums to C. `quads`: four of a row from a column on that is a multiple of 4 may be written as one.
struct GemmI8Out {
    i32* c;
    u32 n;
    bool quads;

    POGW_MEMBER void one(u32 r, u32 s, i32 sum) { c[(u64)r * n + s] = sum; }
    POGW_MEMBER void four(u32 r, u32 s, u32 count, const i32 (&sums)[4]) {
        i32* to = c + (u64)r * n + s;
        if (quads) {
            *reinterpret_cast<int4*>(to) = make_int4(sums[0], sums[1], sums[2], sums[3]);
            return;
        }
#pragma unroll
        for (u32 j = 0; j < 4; ++j) {
            if (j < count) to[j] = sums[j];
        }
    }
};

// C = A B; A is m x k, B is k x n, C is m x n, row major, C at a multiple of 16. Grid: tiles of columns, tiles of rows.
POGW_KERNEL __launch_bounds__(256, 2) gemm_i8_product(const i8* a, const i8* b, i32* c, u32 m, u32 n, u32 k) {
    __shared__ PgWideShared shared;
    const PgPlace place = pg_tile_place();
    GemmI8Out out = {c, n, (n & 3u) == 0};
    pg_wide_tile(shared, pg_matrix(a, m, k), pg_matrix(b, k, n), place.row * PG_WIDE, place.column * PG_WIDE, out);
}

POGW_TABLE(gemm_i8, POGW_BLAKE3_ENTRIES POGW_ENTRY(gemm_i8_fill) POGW_ENTRY(gemm_i8_product))
