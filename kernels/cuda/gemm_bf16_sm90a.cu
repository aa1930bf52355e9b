// The bf16 product of spec/gemm_bf16.md on the tensor cores of Hopper: one `wgmma` is one step of the specification.
//
// It assembles for sm_90a alone and must not be ported to Ampere, whose tensor cores compute something else.
//
// A block of 256 threads, two warpgroups, computes 128x128 elements of C, a warpgroup 64 of the rows, and walks along k
// 32 at a time: two steps of 16, ascending, into one accumulator that starts at +0. While a part is multiplied, the two
// that follow are on their way into shared memory, which has room for three. Elements outside the matrices are zeros
// there, as the specification fills up k.
#include "blake3.cuh"
#include "gemm_bf16.cuh"
#include "tiles.cuh"
#include "wgmma.cuh"

enum : u32 {
    WGMMA_TILE = 128,  // rows and columns of C for a block
    WGMMA_DEPTH = 32,  // k in a part
    WGMMA_CHUNK = 8,   // bf16 in 16 bytes
    WGMMA_PARTS = 3,
    WGMMA_THREADS = 256
};

// ---- Shared memory
//
// A part is 128 lines (rows of A, columns of B) of 32 bf16 along k, in core matrices of 8 by 8. Those of 8 lines of A that
// follow each other along k are neighbours; those of 8 k of B that follow each other along the columns are. Eight threads
// in a row write one core matrix, so that they meet all banks.

enum : u32 { WGMMA_CORE = 128, WGMMA_OPERAND_BYTES = WGMMA_TILE * WGMMA_DEPTH * 2 };

struct alignas(128) WgmmaPart {
    u8 a[WGMMA_OPERAND_BYTES], b[WGMMA_OPERAND_BYTES];
};

POGW_INLINE WgmmaLayout wgmma_a_layout() { return WgmmaLayout{WGMMA_CORE, WGMMA_CORE * (WGMMA_DEPTH / WGMMA_CHUNK)}; }
POGW_INLINE WgmmaLayout wgmma_b_layout() { return WgmmaLayout{WGMMA_CORE * (WGMMA_TILE / WGMMA_CHUNK), WGMMA_CORE}; }

// Where the core matrix of lines 8·lines on and k 8·chunk on is.
POGW_INLINE u32 wgmma_place(WgmmaLayout layout, u32 lines, u32 chunk) {
    return lines * layout.next_lines + chunk * layout.next_k;
}

// ---- Copies

// A row-major matrix. `whole`: eight elements from a column on that is a multiple of 8 may be copied as one.
struct WgmmaMatrix {
    const u16* at;
    u32 rows, columns;
    bool whole;
};

POGW_INLINE WgmmaMatrix wgmma_matrix(const u16* at, u32 rows, u32 columns) {
    return WgmmaMatrix{at, rows, columns, (columns & 7u) == 0 && (reinterpret_cast<u64>(at) & 15u) == 0};
}

// Eight elements of a row, from a column on that is a multiple of 8, to shared memory; zeros outside the matrix.
POGW_INLINE void wgmma_eight(u8* to, const WgmmaMatrix& matrix, u32 row, u32 column) {
    const bool there = row < matrix.rows && column < matrix.columns;
    const u16* from = there ? matrix.at + (u64)row * matrix.columns + column : matrix.at;
    if (matrix.whole) return wgmma_copy(to, from, there);
    u32 pairs[4] = {};
#pragma unroll
    for (u32 i = 0; i < 8; ++i) {
        if (there && i < matrix.columns - column) pairs[i / 2] |= (u32)from[i] << (16 * (i % 2));
    }
    *reinterpret_cast<uint4*>(to) = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

// A warp copies four neighbouring core matrices.
POGW_INLINE void wgmma_copy_part(WgmmaPart& part, const WgmmaMatrix& a, const WgmmaMatrix& b, u32 row, u32 column,
                                 u32 depth) {
    const u32 within = threadIdx.x % 8, cores = WGMMA_DEPTH / WGMMA_CHUNK;
#pragma unroll
    for (u32 i = 0; i < 2; ++i) {
        const u32 core = threadIdx.x / 8 + WGMMA_THREADS / 8 * i;
        const u32 lines = core / cores, chunk = core % cores;
        u8* to = part.a + wgmma_place(wgmma_a_layout(), lines, chunk) + 16 * within;
        wgmma_eight(to, a, row + 8 * lines + within, depth + WGMMA_CHUNK * chunk);
    }
#pragma unroll
    for (u32 i = 0; i < 2; ++i) {
        const u32 core = threadIdx.x / 8 + WGMMA_THREADS / 8 * i;
        const u32 lines = core % (WGMMA_TILE / 8), chunk = core / (WGMMA_TILE / 8);
        u8* to = part.b + wgmma_place(wgmma_b_layout(), lines, chunk) + 16 * within;
        wgmma_eight(to, b, depth + WGMMA_CHUNK * chunk + within, column + 8 * lines);
    }
}

// ---- The product

// Two steps: the warpgroup's rows of the part by all of its columns.
POGW_INLINE void wgmma_part(float (&d)[WGMMA_ACCUMULATORS], const WgmmaPart& part) {
    const u32 lines = threadIdx.x / 128 * (WGMMA_M / 8);
#pragma unroll
    for (u32 l = 0; l < WGMMA_DEPTH; l += WGMMA_K) {
        const u8* a = part.a + wgmma_place(wgmma_a_layout(), lines, l / WGMMA_CHUNK);
        wgmma_step(d, a, wgmma_a_layout(), part.b + wgmma_place(wgmma_b_layout(), 0, l / WGMMA_CHUNK), wgmma_b_layout());
    }
}

POGW_INLINE void wgmma_store(const float (&d)[WGMMA_ACCUMULATORS], float* c, u32 row, u32 column, u32 m, u32 n) {
#pragma unroll
    for (u32 at = 0; at < WGMMA_ACCUMULATORS; at += 2) {
        const u32 r = row + wgmma_row(threadIdx.x, at), s = column + wgmma_column(threadIdx.x, at);
        if (r >= m || s >= n) continue;
        float* to = c + (u64)r * n + s;
        if ((n & 1u) == 0) {
            *reinterpret_cast<float2*>(to) = make_float2(pg_canon(d[at]), pg_canon(d[at + 1]));
        } else {
            to[0] = pg_canon(d[at]);
            if (n - s > 1) to[1] = pg_canon(d[at + 1]);
        }
    }
}

// C = A·B, C at a multiple of 8. Grid: ceil(n / 128) x ceil(m / 128) blocks of 256 threads.
POGW_KERNEL __launch_bounds__(256, 2) gemm_bf16_product(const u16* a, const u16* b, float* c, u32 m, u32 n, u32 k) {
    __shared__ WgmmaPart parts[WGMMA_PARTS];
    const WgmmaMatrix left = wgmma_matrix(a, m, k), right = wgmma_matrix(b, k, n);
    const PgPlace place = pg_tile_place();
    const u32 row = place.row * WGMMA_TILE, column = place.column * WGMMA_TILE;
    const u32 rounds = (k + WGMMA_DEPTH - 1) / WGMMA_DEPTH;
    float d[WGMMA_ACCUMULATORS] = {};
    for (u32 ahead = 0; ahead < WGMMA_PARTS - 1; ++ahead) {
        if (ahead < rounds) wgmma_copy_part(parts[ahead], left, right, row, column, WGMMA_DEPTH * ahead);
        wgmma_copies_commit();
    }
    u32 now = 0, next = WGMMA_PARTS - 1;
    for (u32 round = 0; round < rounds; ++round) {
        wgmma_copies_wait_but_one();
        wgmma_publish();
        __syncthreads();
        wgmma_fence();
        wgmma_part(d, parts[now]);
        wgmma_commit();
        // What was in this part was multiplied in the round before, by all: they waited before the barrier.
        const u32 ahead = round + WGMMA_PARTS - 1;
        if (ahead < rounds) wgmma_copy_part(parts[next], left, right, row, column, WGMMA_DEPTH * ahead);
        wgmma_copies_commit();
        wgmma_wait();
        now = now == WGMMA_PARTS - 1 ? 0 : now + 1;
        next = next == WGMMA_PARTS - 1 ? 0 : next + 1;
    }
    wgmma_store(d, c, row + threadIdx.x / 128 * WGMMA_M, column, m, n);
}

POGW_TABLE(gemm_bf16_sm90a, POGW_BLAKE3_ENTRIES POGW_ENTRY(gemm_bf16_fill) POGW_ENTRY(gemm_bf16_product))
