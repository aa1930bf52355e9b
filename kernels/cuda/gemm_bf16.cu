// The bf16 product of spec/gemm_bf16.md, its steps emulated in integers: the same bits on every device, Hopper or not.
//
// A block computes a tile of C and takes one step of 16 along k at a time, its operands in shared memory. Elements
// outside the matrices are zeros there, as the specification fills up k.
#include "blake3.cuh"
#include "gemm_bf16.cuh"
#include "gemm_bf16_step.cuh"

enum : u32 {
    GEMM_BF16_TILE = 32, // rows and columns of C for a block of 16x16 threads
    GEMM_BF16_EACH = 2,  // rows and columns of C for a thread
    GEMM_BF16_THREADS = 256
};

POGW_INLINE i32 gemm_bf16_at(const u16* matrix, u32 rows, u32 columns, u32 row, u32 column) {
    return row < rows && column < columns ? gemm_bf16_unpack(matrix[(u64)row * columns + column]) : 0;
}

// C = A·B. Grid: ceil(n / 32) x ceil(m / 32) blocks of 16x16 threads.
POGW_KERNEL gemm_bf16_product(const u16* a, const u16* b, float* c, u32 m, u32 n, u32 k) {
    // One column more than needed: the transposing stores of A then meet different banks.
    __shared__ i32 a_tile[GEMM_BF16_GROUP][GEMM_BF16_TILE + 1];
    __shared__ i32 b_tile[GEMM_BF16_GROUP][GEMM_BF16_TILE];
    const u32 thread = threadIdx.y * 16 + threadIdx.x;
    const u32 first_row = blockIdx.y * GEMM_BF16_TILE, first_column = blockIdx.x * GEMM_BF16_TILE;
    u32 sum[GEMM_BF16_EACH][GEMM_BF16_EACH] = {};
    for (u32 depth = 0; depth < k; depth += GEMM_BF16_GROUP) {
        for (u32 e = thread; e < GEMM_BF16_TILE * GEMM_BF16_GROUP; e += GEMM_BF16_THREADS) {
            const u32 row = e / GEMM_BF16_GROUP, l = e % GEMM_BF16_GROUP;
            a_tile[l][row] = gemm_bf16_at(a, m, k, first_row + row, depth + l);
        }
        for (u32 e = thread; e < GEMM_BF16_TILE * GEMM_BF16_GROUP; e += GEMM_BF16_THREADS) {
            const u32 l = e / GEMM_BF16_TILE, column = e % GEMM_BF16_TILE;
            b_tile[l][column] = gemm_bf16_at(b, k, n, depth + l, first_column + column);
        }
        __syncthreads();
        for (u32 i = 0; i < GEMM_BF16_EACH; ++i) {
            const i32* row = a_tile[0] + threadIdx.y * GEMM_BF16_EACH + i;
            for (u32 j = 0; j < GEMM_BF16_EACH; ++j) {
                const i32* column = b_tile[0] + threadIdx.x * GEMM_BF16_EACH + j;
                sum[i][j] = gemm_bf16_step(sum[i][j], row, GEMM_BF16_TILE + 1, column, GEMM_BF16_TILE);
            }
        }
        __syncthreads();
    }
    for (u32 i = 0; i < GEMM_BF16_EACH; ++i) {
        const u32 row = first_row + threadIdx.y * GEMM_BF16_EACH + i;
        for (u32 j = 0; j < GEMM_BF16_EACH; ++j) {
            const u32 column = first_column + threadIdx.x * GEMM_BF16_EACH + j;
            if (row < m && column < n) c[(u64)row * n + column] = pg_canon(pg_from_bits(sum[i][j]));
        }
    }
}

POGW_TABLE(gemm_bf16, POGW_BLAKE3_ENTRIES POGW_ENTRY(gemm_bf16_fill) POGW_ENTRY(gemm_bf16_product))
