// The f32 product of spec/gemm_f32.md: ascending k, one accumulator, one fused multiply-add per step.
//
// A block computes a tile of C and walks along k with a piece of A and of B in shared memory. Elements outside the
// matrices are zeros there; fma(0, 0, s) leaves s as it is, but for the sign of a zero, which no output keeps.
#include "blake3.cuh"
#include "philox.cuh"

enum : u32 {
    GEMM_F32_TILE = 64,  // rows and columns of C for a block of 16x16 threads
    GEMM_F32_EACH = 4,   // rows and columns of C for a thread
    GEMM_F32_DEPTH = 16, // k in shared memory
    GEMM_F32_THREADS = 256
};

// Writes the operand of a seeded job. Thread q of the grid, in blocks of 256: block q of the stream.
POGW_KERNEL gemm_f32_fill(float* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * GEMM_F32_THREADS + threadIdx.x;
    if (q < pg_blocks_f32(len)) pg_fill_symmetric(out, len, pg_stream(key_0, key_1, high_0, high_1), q);
}

// Element (row, column) of a matrix, or 0 outside.
POGW_INLINE float gemm_f32_at(const float* matrix, u32 rows, u32 columns, u32 row, u32 column) {
    return row < rows && column < columns ? matrix[(u64)row * columns + column] : 0.0f;
}

// C = A·B. Grid: ceil(n / 64) x ceil(m / 64) blocks of 16x16 threads.
POGW_KERNEL gemm_f32_product(const float* a, const float* b, float* c, u32 m, u32 n, u32 k) {
    // One column more than needed: the transposing stores of A then meet different banks.
    __shared__ float a_tile[GEMM_F32_DEPTH][GEMM_F32_TILE + 1];
    __shared__ float b_tile[GEMM_F32_DEPTH][GEMM_F32_TILE];
    const u32 thread = threadIdx.y * 16 + threadIdx.x;
    const u32 first_row = blockIdx.y * GEMM_F32_TILE, first_column = blockIdx.x * GEMM_F32_TILE;
    float sum[GEMM_F32_EACH][GEMM_F32_EACH];
    for (u32 i = 0; i < GEMM_F32_EACH; ++i) {
        for (u32 j = 0; j < GEMM_F32_EACH; ++j) sum[i][j] = 0.0f;
    }
    for (u32 depth = 0; depth < k; depth += GEMM_F32_DEPTH) {
        for (u32 e = thread; e < GEMM_F32_TILE * GEMM_F32_DEPTH; e += GEMM_F32_THREADS) {
            const u32 row = e / GEMM_F32_DEPTH, l = e % GEMM_F32_DEPTH;
            a_tile[l][row] = gemm_f32_at(a, m, k, first_row + row, depth + l);
        }
        for (u32 e = thread; e < GEMM_F32_TILE * GEMM_F32_DEPTH; e += GEMM_F32_THREADS) {
            const u32 l = e / GEMM_F32_TILE, column = e % GEMM_F32_TILE;
            b_tile[l][column] = gemm_f32_at(b, k, n, depth + l, first_column + column);
        }
        __syncthreads();
        for (u32 l = 0; l < GEMM_F32_DEPTH; ++l) {
            for (u32 i = 0; i < GEMM_F32_EACH; ++i) {
                const float left = a_tile[l][threadIdx.y * GEMM_F32_EACH + i];
                for (u32 j = 0; j < GEMM_F32_EACH; ++j) {
                    sum[i][j] = pg_fma(left, b_tile[l][threadIdx.x * GEMM_F32_EACH + j], sum[i][j]);
                }
            }
        }
        __syncthreads();
    }
    for (u32 i = 0; i < GEMM_F32_EACH; ++i) {
        const u32 row = first_row + threadIdx.y * GEMM_F32_EACH + i;
        for (u32 j = 0; j < GEMM_F32_EACH; ++j) {
            const u32 column = first_column + threadIdx.x * GEMM_F32_EACH + j;
            if (row < m && column < n) c[(u64)row * n + column] = pg_canon(sum[i][j]);
        }
    }
}

POGW_TABLE(gemm_f32, POGW_BLAKE3_ENTRIES POGW_ENTRY(gemm_f32_fill) POGW_ENTRY(gemm_f32_product))
