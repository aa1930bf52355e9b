// A 64x64 tile of an exact int8 product: what every kernel that multiplies int8 matrices is made of.
//
// In scope: the sums of one block of threads. Out of scope: what becomes of them (gemm_i8.cu, gemm_i8_requant.cu,
// gemm_chain.cu), and where operands come from.
//
// 256 threads as 16x16. K is taken in slices of 128: A's part of a slice is copied to shared memory, B's is transposed
// on the way, so that 16 bytes in a row are 16 steps of one sum. Thread (x, y) has the sums of rows y + 16 i and
// columns x + 16 j, i and j from 0 to 3. The sums are exact (spec/gemm_i8.md), so their order is free.
#pragma once

#include "pogw.cuh"

static const u32 PG_TILE = 64, PG_SLICE = 128;

// Words from one row of a slice to the next: 36 mod 32 banks is 4, so eight threads that each read 16 bytes of eight
// rows meet all banks once.
static const u32 PG_ROW_WORDS = PG_SLICE / 4 + 4;

// ---- Sixteen steps of a sum -----------------------------------------------------------------------------------------

// `PgSteps`: 16 int8 values. `PgSum`: a sum in the making; `pg_sum_steps` adds 16 products, `pg_sum_total` ends it.
// A device has an instruction for four of them. A CPU has one for pairs of int16 in lanes, which are added up once at
// the end; it is faster with operands widened once and sums kept in lanes.
#if POGW_DEVICE

struct PgSteps {
    u32 word[4];
};
typedef i32 PgSum;

POGW_INLINE PgSum pg_sum_zero() { return 0; }
POGW_INLINE PgSteps pg_steps(const u32* from) {
    const uint4 words = *reinterpret_cast<const uint4*>(from);
    return PgSteps{{words.x, words.y, words.z, words.w}};
}
POGW_INLINE PgSum pg_sum_steps(PgSum sum, const PgSteps& a, const PgSteps& b) {
#pragma unroll
    for (int i = 0; i < 4; ++i) sum = pg_dp4a(a.word[i], b.word[i], sum);
    return sum;
}
POGW_INLINE i32 pg_sum_total(PgSum sum) { return sum; }

#else

#if defined(__AVX2__)
#define PG_LANES 16
#else
#define PG_LANES 8
#endif
typedef i8 PgBytes __attribute__((vector_size(PG_LANES)));
typedef i16 PgWide __attribute__((vector_size(2 * PG_LANES)));
typedef i32 PgSum __attribute__((vector_size(2 * PG_LANES)));
struct PgSteps {
    PgWide part[16 / PG_LANES];
};

// The sum of products of neighbours.
POGW_INLINE PgSum pg_pairs(const PgWide& a, const PgWide& b) {
#if defined(__AVX2__)
    return (PgSum)__builtin_ia32_pmaddwd256(a, b);
#elif defined(__SSE2__)
    return (PgSum)__builtin_ia32_pmaddwd128(a, b);
#else
    PgSum pairs;
    for (int i = 0; i < PG_LANES / 2; ++i) pairs[i] = (i32)a[2 * i] * b[2 * i] + (i32)a[2 * i + 1] * b[2 * i + 1];
    return pairs;
#endif
}

POGW_INLINE PgSum pg_sum_zero() { return PgSum{}; }
POGW_INLINE PgSteps pg_steps(const u32* from) {
    PgSteps steps;
    for (int i = 0; i < 16 / PG_LANES; ++i) {
        PgBytes bytes;
        __builtin_memcpy(&bytes, from + i * PG_LANES / 4, sizeof bytes);
        steps.part[i] = __builtin_convertvector(bytes, PgWide);
    }
    return steps;
}
POGW_INLINE PgSum pg_sum_steps(PgSum sum, const PgSteps& a, const PgSteps& b) {
    for (int i = 0; i < 16 / PG_LANES; ++i) sum += pg_pairs(a.part[i], b.part[i]);
    return sum;
}
POGW_INLINE i32 pg_sum_total(const PgSum& sum) {
    i32 total = 0;
    for (int i = 0; i < PG_LANES / 2; ++i) total += sum[i];
    return total;
}

#endif

// ---- Copying a slice ------------------------------------------------------------------------------------------------

struct PgSlices {
    u32 a[PG_TILE * PG_ROW_WORDS]; // row r of the tile at r * PG_ROW_WORDS
    u32 b[PG_TILE * PG_ROW_WORDS]; // column c likewise
};

// A row-major int8 matrix. `words`: it may be read by words, from every column that is a multiple of 4.
struct PgMatrix {
    const i8* at;
    u32 rows, columns;
    bool words;
};

POGW_INLINE PgMatrix pg_matrix(const i8* at, u32 rows, u32 columns) {
    return PgMatrix{at, rows, columns, (columns & 3u) == 0 && (reinterpret_cast<u64>(at) & 3u) == 0};
}

// Four elements from (row, column) on, the first in the lowest byte; zero outside the matrix. `column` is a multiple
// of 4.
POGW_INLINE u32 pg_matrix_word(const PgMatrix& m, u32 row, u32 column) {
    if (row >= m.rows || column >= m.columns) return 0;
    const i8* from = m.at + (u64)row * m.columns + column;
    if (m.words) {
        u32 word;
#if POGW_DEVICE
        word = *reinterpret_cast<const u32*>(from);
#else
        __builtin_memcpy(&word, from, sizeof word);
#endif
        return word;
    }
    const u32 count = m.columns - column < 4 ? m.columns - column : 4;
    u32 word = 0;
    for (u32 i = 0; i < count; ++i) word |= (u32)(u8)from[i] << (8 * i);
    return word;
}

// Four rows of four bytes become four columns of four: byte i of word j is byte j of word i.
POGW_INLINE void pg_transpose_4x4(u32* w) {
    const u32 a = __byte_perm(w[0], w[1], 0x5140), b = __byte_perm(w[2], w[3], 0x5140);
    const u32 c = __byte_perm(w[0], w[1], 0x7362), d = __byte_perm(w[2], w[3], 0x7362);
    w[0] = __byte_perm(a, b, 0x5410);
    w[1] = __byte_perm(a, b, 0x7632);
    w[2] = __byte_perm(c, d, 0x5410);
    w[3] = __byte_perm(c, d, 0x7632);
}

// A's rows `row` to `row + 63`, columns `depth` to `depth + 127`. A warp reads one row at a time.
POGW_INLINE void pg_copy_a(u32* to, const PgMatrix& a, u32 row, u32 depth) {
    const u32 t = threadIdx.y * 16 + threadIdx.x;
    const u32 word = t & 31u;
    for (u32 r = t >> 5; r < PG_TILE; r += 8) to[r * PG_ROW_WORDS + word] = pg_matrix_word(a, row + r, depth + 4 * word);
}

// B's rows `depth` to `depth + 127`, columns `column` to `column + 63`, transposed in squares of 4x4.
POGW_INLINE void pg_copy_b(u32* to, const PgMatrix& b, u32 depth, u32 column) {
    const u32 c = 4 * threadIdx.x;
    for (u32 word = threadIdx.y; word < PG_SLICE / 4; word += 16) {
        u32 square[4];
        for (u32 i = 0; i < 4; ++i) square[i] = pg_matrix_word(b, depth + 4 * word + i, column + c);
        pg_transpose_4x4(square);
        for (u32 j = 0; j < 4; ++j) to[(c + j) * PG_ROW_WORDS + word] = square[j];
    }
}

// ---- The tile -------------------------------------------------------------------------------------------------------

// Adds the products of `steps` columns of the slice, rounded up to 16: beyond them it holds zeros.
POGW_INLINE void pg_slice_products(PgSum (*sums)[4], const PgSlices& slices, u32 steps) {
    const u32* a = slices.a + threadIdx.y * PG_ROW_WORDS;
    const u32* b = slices.b + threadIdx.x * PG_ROW_WORDS;
    // Two columns at a time: eight sums and their operands fit the registers of any CPU with 16 of them.
    for (u32 half = 0; half < 4; half += 2) {
        for (u32 word = 0; word * 4 < steps; word += 4) {
            const PgSteps b0 = pg_steps(b + 16 * half * PG_ROW_WORDS + word);
            const PgSteps b1 = pg_steps(b + 16 * (half + 1) * PG_ROW_WORDS + word);
            for (u32 i = 0; i < 4; ++i) {
                const PgSteps row = pg_steps(a + 16 * i * PG_ROW_WORDS + word);
                sums[i][half] = pg_sum_steps(sums[i][half], row, b0);
                sums[i][half + 1] = pg_sum_steps(sums[i][half + 1], row, b1);
            }
        }
    }
}

// sums[i][j] = sum over l of A[row + y + 16 i][l] * B[l][column + x + 16 j], 0 outside the matrices. All threads of the
// block call it, with the same arguments.
POGW_INLINE void pg_tile(i32 (*totals)[4], PgSlices& slices, const PgMatrix& a, const PgMatrix& b, u32 row, u32 column) {
    PgSum sums[4][4];
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) sums[i][j] = pg_sum_zero();
    }
    const u32 k = a.columns;
    for (u32 depth = 0; depth < k; depth += PG_SLICE) {
        pg_copy_a(slices.a, a, row, depth);
        pg_copy_b(slices.b, b, depth, column);
        __syncthreads();
        pg_slice_products(sums, slices, k - depth < PG_SLICE ? k - depth : PG_SLICE);
        __syncthreads();
    }
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) totals[i][j] = pg_sum_total(sums[i][j]);
    }
}
