// The f32 product of spec/gemm_f32.md: ascending k, one accumulator, one fused multiply-add per step.
//
// A block of 16x16 threads computes 128x128 elements of C, a thread 8x8 of them, and walks along k with 16 of A and of B
// in shared memory; while these are multiplied, the next are fetched into registers. Elements outside the matrices are
// zeros there; fma(0, 0, s) leaves s as it is, but for the sign of a zero, which no output keeps.
#include "blake3.cuh"
#include "philox.cuh"
#include "tiles.cuh"

enum : u32 {
    GEMM_F32_TILE = 128, // rows and columns of C for a block
    GEMM_F32_HALF = 64,  // a thread's rows are four of each half of the tile, and so are its columns
    GEMM_F32_DEPTH = 16, // k in shared memory
    GEMM_F32_THREADS = 256,
    GEMM_F32_LINE = GEMM_F32_TILE + 4 // floats from one k to the next of A, which is transposed on the way
};

// Writes the operand of a seeded job. Thread q of the grid, in blocks of 256: block q of the stream.
POGW_KERNEL gemm_f32_fill(float* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * GEMM_F32_THREADS + threadIdx.x;
    if (q < pg_blocks_f32(len)) pg_fill_symmetric(out, len, pg_stream(key_0, key_1, high_0, high_1), q);
}

// A row-major matrix. `quads`: four elements from a column on that is a multiple of 4 may be read or written as one.
struct GemmF32Matrix {
    const float* at;
    u32 rows, columns;
    bool quads;
};

POGW_INLINE GemmF32Matrix gemm_f32_matrix(const float* at, u32 rows, u32 columns) {
    return GemmF32Matrix{at, rows, columns, (columns & 3u) == 0 && (reinterpret_cast<u64>(at) & 15u) == 0};
}

// Four elements of a row, the first of them in a column that is a multiple of 4; 0 outside the matrix.
POGW_INLINE float4 gemm_f32_quad(const GemmF32Matrix& matrix, u32 row, u32 column) {
    float4 quad = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (row >= matrix.rows || column >= matrix.columns) return quad;
    const float* from = matrix.at + (u64)row * matrix.columns + column;
    if (matrix.quads) return *reinterpret_cast<const float4*>(from);
    const u32 left = matrix.columns - column;
    quad.x = from[0];
    if (left > 1) quad.y = from[1];
    if (left > 2) quad.z = from[2];
    if (left > 3) quad.w = from[3];
    return quad;
}

// What a thread fetches for a round: part i is a quad of A along k, and a quad of B along its columns.
struct GemmF32Fetched {
    float4 a[2], b[2];
};

struct alignas(16) GemmF32Shared {
    float a[2][GEMM_F32_DEPTH * GEMM_F32_LINE], b[2][GEMM_F32_DEPTH * GEMM_F32_TILE];
};

POGW_INLINE u32 gemm_f32_thread() { return threadIdx.y * 16 + threadIdx.x; }
POGW_INLINE u32 gemm_f32_a_row(u32 i) { return gemm_f32_thread() / 4 + GEMM_F32_HALF * i; }
POGW_INLINE u32 gemm_f32_a_depth() { return gemm_f32_thread() % 4 * 4; }
POGW_INLINE u32 gemm_f32_b_depth(u32 i) { return gemm_f32_thread() / 32 + GEMM_F32_DEPTH / 2 * i; }
POGW_INLINE u32 gemm_f32_b_column() { return gemm_f32_thread() % 32 * 4; }

POGW_INLINE void gemm_f32_fetch(GemmF32Fetched& to, const GemmF32Matrix& a, const GemmF32Matrix& b, u32 row, u32 column,
                                u32 depth) {
    for (u32 i = 0; i < 2; ++i) {
        to.a[i] = gemm_f32_quad(a, row + gemm_f32_a_row(i), depth + gemm_f32_a_depth());
        to.b[i] = gemm_f32_quad(b, depth + gemm_f32_b_depth(i), column + gemm_f32_b_column());
    }
}

POGW_INLINE void gemm_f32_store(GemmF32Shared& shared, u32 buffer, const GemmF32Fetched& fetched) {
    for (u32 i = 0; i < 2; ++i) {
        float* a = shared.a[buffer] + gemm_f32_a_depth() * GEMM_F32_LINE + gemm_f32_a_row(i);
        a[0] = fetched.a[i].x;
        a[GEMM_F32_LINE] = fetched.a[i].y;
        a[2 * GEMM_F32_LINE] = fetched.a[i].z;
        a[3 * GEMM_F32_LINE] = fetched.a[i].w;
        float* b = shared.b[buffer] + gemm_f32_b_depth(i) * GEMM_F32_TILE + gemm_f32_b_column();
        *reinterpret_cast<float4*>(b) = fetched.b[i];
    }
}

// Four of the thread's rows or columns in each half.
POGW_INLINE void gemm_f32_line(float (&to)[8], const float* line, u32 first) {
    for (u32 half = 0; half < 2; ++half) {
        const float4 quad = *reinterpret_cast<const float4*>(line + GEMM_F32_HALF * half + first);
        to[4 * half] = quad.x;
        to[4 * half + 1] = quad.y;
        to[4 * half + 2] = quad.z;
        to[4 * half + 3] = quad.w;
    }
}

POGW_INLINE void gemm_f32_products(float (&sums)[8][8], const GemmF32Shared& shared, u32 buffer) {
    for (u32 l = 0; l < GEMM_F32_DEPTH; ++l) {
        float left[8], right[8];
        gemm_f32_line(left, shared.a[buffer] + l * GEMM_F32_LINE, threadIdx.y * 4);
        gemm_f32_line(right, shared.b[buffer] + l * GEMM_F32_TILE, threadIdx.x * 4);
#pragma unroll
        for (u32 i = 0; i < 8; ++i) {
#pragma unroll
            for (u32 j = 0; j < 8; ++j) sums[i][j] = pg_fma(left[i], right[j], sums[i][j]);
        }
    }
}

// Four elements of a row of C, or those of them that it has.
POGW_INLINE void gemm_f32_write(float* c, u32 n, u32 row, u32 column, const float* sums) {
    float* to = c + (u64)row * n + column;
    const float four[4] = {pg_canon(sums[0]), pg_canon(sums[1]), pg_canon(sums[2]), pg_canon(sums[3])};
    if ((n & 3u) == 0) {
        *reinterpret_cast<float4*>(to) = make_float4(four[0], four[1], four[2], four[3]);
        return;
    }
#pragma unroll
    for (u32 j = 0; j < 4; ++j) {
        if (j < n - column) to[j] = four[j];
    }
}

// C = A·B, C at a multiple of 16. Grid: ceil(n / 128) x ceil(m / 128) blocks of 16x16 threads.
POGW_KERNEL __launch_bounds__(256, 2) gemm_f32_product(const float* a, const float* b, float* c, u32 m, u32 n, u32 k) {
    __shared__ GemmF32Shared shared;
    const GemmF32Matrix left = gemm_f32_matrix(a, m, k), right = gemm_f32_matrix(b, k, n);
    const PgPlace place = pg_tile_place();
    const u32 row = place.row * GEMM_F32_TILE, column = place.column * GEMM_F32_TILE;
    float sums[8][8];
    for (u32 i = 0; i < 8; ++i) {
        for (u32 j = 0; j < 8; ++j) sums[i][j] = 0.0f;
    }
    GemmF32Fetched fetched;
    gemm_f32_fetch(fetched, left, right, row, column, 0);
    gemm_f32_store(shared, 0, fetched);
    __syncthreads();
    u32 now = 0;
    for (u32 depth = 0; depth < k; depth += GEMM_F32_DEPTH) {
        const bool more = k - depth > GEMM_F32_DEPTH;
        if (more) gemm_f32_fetch(fetched, left, right, row, column, depth + GEMM_F32_DEPTH);
        gemm_f32_products(sums, shared, now);
        now ^= 1;
        // Its last readers were before the barrier of the round before.
        if (more) gemm_f32_store(shared, now, fetched);
        __syncthreads();
    }
#pragma unroll
    for (u32 i = 0; i < 8; ++i) {
        const u32 r = row + threadIdx.y * 4 + i / 4 * GEMM_F32_HALF + i % 4;
#pragma unroll
        for (u32 half = 0; half < 2; ++half) {
            const u32 s = column + threadIdx.x * 4 + half * GEMM_F32_HALF;
            if (r < m && s < n) gemm_f32_write(c, n, r, s, sums[i] + 4 * half);
        }
    }
}

POGW_TABLE(gemm_f32, POGW_BLAKE3_ENTRIES POGW_ENTRY(gemm_f32_fill) POGW_ENTRY(gemm_f32_product))
