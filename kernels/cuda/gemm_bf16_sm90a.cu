// The bf16 product of spec/gemm_bf16.md on the tensor cores of Hopper: one `wgmma` is one step of the specification.
//
// Compiled and assembled, never run: no Hopper was at hand. That `wgmma` computes the specification's step is the claim
// of the public model it was taken from; before this module's outputs are relied on, compare it on a Hopper with
// gemm_bf16.cu, which emulates the step in integers. It assembles for sm_90a alone and must not be ported to Ampere,
// whose tensor cores compute something else.
//
// A block of 256 threads, two warpgroups, computes 128x128 elements of C, a warpgroup 64 of the rows, and walks along k
// 64 at a time: four steps of 16, ascending, into one accumulator that starts at +0. Elements outside the matrices are
// zeros in shared memory, as the specification fills up k.
#include "blake3.cuh"
#include "gemm_bf16.cuh"
#include "wgmma.cuh"

enum : u32 {
    WGMMA_TILE = 128,  // rows and columns of C for a block
    WGMMA_DEPTH = 64,  // k in shared memory
    WGMMA_CHUNK = 8,   // bf16 in 16 bytes
    WGMMA_THREADS = 256
};

// ---- Shared memory
//
// A tile is 128 lines (rows of A, columns of B) of 64 bf16 along k, for A and B alike. Core matrices that follow each
// other along k are neighbours; the next 8 lines come after the 8 core matrices of these.

enum : u32 {
    WGMMA_NEXT_K = 128,
    WGMMA_NEXT_LINES = WGMMA_NEXT_K * (WGMMA_DEPTH / WGMMA_CHUNK),
    WGMMA_TILE_BYTES = WGMMA_TILE * WGMMA_DEPTH * 2
};

// Where the 16 bytes of `line` with elements 8·chunk to 8·chunk + 7 along k are.
POGW_INLINE u32 wgmma_place(u32 line, u32 chunk) {
    return (line / 8) * WGMMA_NEXT_LINES + chunk * WGMMA_NEXT_K + (line % 8) * 16;
}

// Two bf16 along k of a line, zeros outside. `line_stride` and `k_stride` say how the matrix lies in memory.
POGW_INLINE u32 wgmma_pair(const u16* matrix, u32 line, u32 lines, u64 line_stride, u32 l, u32 k, u64 k_stride) {
    u32 pair = 0;
    if (line < lines && l < k) pair = matrix[line * line_stride + l * k_stride];
    if (line < lines && l + 1 < k) pair |= (u32)matrix[line * line_stride + (l + 1) * k_stride] << 16;
    return pair;
}

POGW_INLINE void wgmma_load_chunk(u8* tile, const u16* matrix, u32 first_line, u32 lines, u64 line_stride, u32 depth,
                                  u32 k, u64 k_stride, u32 line, u32 chunk) {
    u32 pairs[4];
    for (u32 i = 0; i < 4; ++i) {
        const u32 l = depth + chunk * WGMMA_CHUNK + 2 * i;
        pairs[i] = wgmma_pair(matrix, first_line + line, lines, line_stride, l, k, k_stride);
    }
    *reinterpret_cast<uint4*>(tile + wgmma_place(line, chunk)) = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

// The tile of A: neighbouring threads read neighbouring chunks of a row.
POGW_INLINE void wgmma_load_a(u8* tile, const u16* a, u32 first_row, u32 m, u32 depth, u32 k) {
    for (u32 e = threadIdx.x; e < WGMMA_TILE * WGMMA_DEPTH / WGMMA_CHUNK; e += WGMMA_THREADS) {
        const u32 line = e / (WGMMA_DEPTH / WGMMA_CHUNK), chunk = e % (WGMMA_DEPTH / WGMMA_CHUNK);
        wgmma_load_chunk(tile, a, first_row, m, k, depth, k, 1, line, chunk);
    }
}

// The tile of B, transposed on the way: neighbouring threads read neighbouring columns of a row.
POGW_INLINE void wgmma_load_b(u8* tile, const u16* b, u32 first_column, u32 n, u32 depth, u32 k) {
    for (u32 e = threadIdx.x; e < WGMMA_TILE * WGMMA_DEPTH / WGMMA_CHUNK; e += WGMMA_THREADS) {
        const u32 line = e % WGMMA_TILE, chunk = e / WGMMA_TILE;
        wgmma_load_chunk(tile, b, first_column, n, 1, depth, k, n, line, chunk);
    }
}

// ---- The product

POGW_INLINE void wgmma_store(const float (&d)[WGMMA_ACCUMULATORS], float* c, u32 first_row, u32 first_column, u32 m,
                             u32 n) {
#if POGW_DEVICE
#pragma unroll
#endif
    for (u32 at = 0; at < WGMMA_ACCUMULATORS; ++at) {
        const u32 row = first_row + wgmma_row(threadIdx.x, at);
        const u32 column = first_column + wgmma_column(threadIdx.x, at);
        if (row < m && column < n) c[(u64)row * n + column] = pg_canon(d[at]);
    }
}

// C = A·B. Grid: ceil(n / 128) x ceil(m / 128) blocks of 256 threads.
POGW_KERNEL gemm_bf16_product(const u16* a, const u16* b, float* c, u32 m, u32 n, u32 k) {
    alignas(128) __shared__ u8 a_tile[WGMMA_TILE_BYTES];
    alignas(128) __shared__ u8 b_tile[WGMMA_TILE_BYTES];
    const u32 first_row = blockIdx.y * WGMMA_TILE, first_column = blockIdx.x * WGMMA_TILE;
    const u32 group_row = threadIdx.x / 128 * WGMMA_M;
    const WgmmaLayout layout = {WGMMA_NEXT_K, WGMMA_NEXT_LINES};
    float d[WGMMA_ACCUMULATORS] = {};
    for (u32 depth = 0; depth < k; depth += WGMMA_DEPTH) {
        wgmma_load_a(a_tile, a, first_row, m, depth, k);
        wgmma_load_b(b_tile, b, first_column, n, depth, k);
        wgmma_publish();
        __syncthreads();
        wgmma_fence();
#if POGW_DEVICE
#pragma unroll
#endif
        for (u32 l = 0; l < WGMMA_DEPTH; l += WGMMA_K) {
            const u32 chunk = l / WGMMA_CHUNK;
            wgmma_step(d, a_tile + wgmma_place(group_row, chunk), b_tile + wgmma_place(0, chunk), layout);
        }
        wgmma_wait();
        __syncthreads();
    }
    wgmma_store(d, c, first_row + group_row, first_column, m, n);
}

POGW_TABLE(gemm_bf16_sm90a, POGW_BLAKE3_ENTRIES POGW_ENTRY(gemm_bf16_fill) POGW_ENTRY(gemm_bf16_product))
