// The bf16 product of spec/gemm_bf16.md, its steps emulated in integers: the same bits on every device, Hopper or not.
//
// A block computes a tile of C and takes one step of 16 along k at a time, its operands in shared memory. Elements
// outside the matrices are zeros there, as the specification fills up k.
//
// All values are of the specification's domain, which the host has seen to: no subnormals, no overflow.
#include "gemm_bf16.cuh"

enum : u32 {
    GEMM_BF16_TILE = 32, // rows and columns of C for a block of 16x16 threads
    GEMM_BF16_EACH = 2,  // rows and columns of C for a thread
    GEMM_BF16_GROUP = 16,
    GEMM_BF16_THREADS = 256
};

// An operand taken apart: exponent field in the upper half, signed significand (7 fractional bits) in the lower.
// A zero has field 0; with the largest factor its product has exponent -73, which decides nothing.
POGW_INLINE i32 gemm_bf16_unpack(u16 bits) {
    const i32 field = (bits >> 7) & 0xff;
    const i32 magnitude = field == 0 ? 0 : 0x80 | (bits & 0x7f);
    const i32 significand = (bits & 0x8000) != 0 ? -magnitude : magnitude;
    return (i32)(((u32)field << 16) | ((u32)significand & 0xffffu));
}

POGW_INLINE i32 gemm_bf16_at(const u16* matrix, u32 rows, u32 columns, u32 row, u32 column) {
    return row < rows && column < columns ? gemm_bf16_unpack(matrix[(u64)row * columns + column]) : 0;
}

// Exponent of a product, biased by 127 as that of an f32.
POGW_INLINE i32 gemm_bf16_exponent(i32 a, i32 b) { return (a >> 16) + (b >> 16) - 127; }

// A magnitude in units of 2^(exponent - 25), cut to units of 2^(top - 25), then given a sign.
POGW_INLINE i32 gemm_bf16_align(u32 magnitude, i32 exponent, i32 top, bool negative) {
    const i32 drop = top - exponent;
    const i32 kept = (i32)(magnitude >> (drop < 31 ? drop : 31));
    return negative ? -kept : kept;
}

// A product has 14 fractional bits; 25 are kept.
POGW_INLINE i32 gemm_bf16_term(i32 a, i32 b, i32 top) {
    const i32 product = (i32)(i16)a * (i32)(i16)b;
    const u32 magnitude = (u32)(product < 0 ? -product : product) << 11;
    return gemm_bf16_align(magnitude, gemm_bf16_exponent(a, b), top, product < 0);
}

POGW_INLINE i32 gemm_bf16_field(u32 c) { return (i32)(c >> 23) & 0xff; }

// The accumulator has 23 fractional bits.
POGW_INLINE i32 gemm_bf16_accumulator(u32 c, i32 top) {
    const i32 field = gemm_bf16_field(c);
    const u32 magnitude = field == 0 ? 0 : (0x00800000u | (c & 0x007fffffu)) << 2;
    return gemm_bf16_align(magnitude, field, top, (c >> 31) != 0);
}

// sum * 2^(top - 25), top biased, to f32 towards zero.
POGW_INLINE u32 gemm_bf16_round(i64 sum, i32 top) {
    if (sum == 0) return 0;
    const u32 magnitude = (u32)(sum < 0 ? -sum : sum);
    const i32 leading = 31 - __clz((i32)magnitude);
    const u32 fraction = leading > 23 ? magnitude >> (leading - 23) : magnitude << (23 - leading);
    const u32 field = (u32)(top - 25 + leading);
    return (sum < 0 ? 0x80000000u : 0u) | (field << 23) | (fraction & 0x007fffffu);
}

// One step of a thread's elements: `left` and `right` are the rows of the shared tiles, `c` the accumulators' bits.
POGW_INLINE void gemm_bf16_step(const i32 (*left)[GEMM_BF16_TILE + 1], const i32 (*right)[GEMM_BF16_TILE],
                                u32 row, u32 column, u32 (*c)[GEMM_BF16_EACH]) {
    for (u32 i = 0; i < GEMM_BF16_EACH; ++i) {
        for (u32 j = 0; j < GEMM_BF16_EACH; ++j) {
            i32 top = gemm_bf16_field(c[i][j]);
            for (u32 l = 0; l < GEMM_BF16_GROUP; ++l) {
                const i32 exponent = gemm_bf16_exponent(left[l][row + i], right[l][column + j]);
                top = exponent > top ? exponent : top;
            }
            // Sixteen products are below 2^31 in magnitude; the accumulator on top of them may not be.
            i32 products = 0;
            for (u32 l = 0; l < GEMM_BF16_GROUP; ++l) {
                products += gemm_bf16_term(left[l][row + i], right[l][column + j], top);
            }
            c[i][j] = gemm_bf16_round((i64)products + gemm_bf16_accumulator(c[i][j], top), top);
        }
    }
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
        gemm_bf16_step(a_tile, b_tile, threadIdx.y * GEMM_BF16_EACH, threadIdx.x * GEMM_BF16_EACH, sum);
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

POGW_TABLE(gemm_bf16, POGW_ENTRY(gemm_bf16_fill) POGW_ENTRY(gemm_bf16_product))
