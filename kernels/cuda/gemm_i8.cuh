// A 64x64 tile of an exact int8 product: what every kernel that multiplies int8 matrices is made of.
//
// In scope: the sums of one block of threads. Out of scope: what becomes of them (gemm_i8.cu, gemm_i8_requant.cu,
// gemm_chain.cu), and where operands come from.
//
// 256 threads as 16x16. K is taken in slices of 256: A's part of a slice is copied to shared memory, B's is transposed
// on the way, so that 16 bytes in a row are 16 steps of one sum. Thread (x, y) has the sums of rows y + 16 i and
// columns x + 16 j, i and j from 0 to 3. The sums are exact (spec/gemm_i8.md), so their order is free.
#pragma once

#include "pogw.cuh"

static const u32 PG_TILE = 64, PG_SLICE = 256;

// Words from one row of a slice to the next: 68 mod 32 banks is 4, so eight threads that each read 16 bytes of eight
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
typedef char PgChars __attribute__((vector_size(PG_LANES))); // what builtins call bytes
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
#if defined(__AVX2__)
        steps.part[i] = (PgWide)__builtin_ia32_pmovsxbw256((PgChars)bytes);
#else
        steps.part[i] = __builtin_convertvector(bytes, PgWide);
#endif
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

// A row-major int8 matrix. `words`: four elements from a column on that is a multiple of 4 may be read as a word.
struct PgMatrix {
    const i8* at;
    u32 rows, columns;
    bool words;
};

POGW_INLINE PgMatrix pg_matrix(const i8* at, u32 rows, u32 columns) {
    return PgMatrix{at, rows, columns, (columns & 3u) == 0 && (reinterpret_cast<u64>(at) & 3u) == 0};
}

// Whether `rows` x `columns` elements from (row, column) on are all inside.
POGW_INLINE bool pg_has(const PgMatrix& m, u32 row, u32 rows, u32 column, u32 columns) {
    return row < m.rows && rows <= m.rows - row && column < m.columns && columns <= m.columns - column;
}

POGW_INLINE u32 pg_load_word(const i8* from) {
#if POGW_DEVICE
    return *reinterpret_cast<const u32*>(from);
#else
    u32 word;
    __builtin_memcpy(&word, from, sizeof word);
    return word;
#endif
}

// Four elements from (row, column) on, which is at `from`, the first in the lowest byte; zero outside the matrix.
// `inside` is a promise that they are all inside and may be read as a word.
template <bool inside> POGW_INLINE u32 pg_matrix_word(const PgMatrix& m, u32 row, u32 column, const i8* from) {
    if (inside) return pg_load_word(from);
    if (row >= m.rows || column >= m.columns) return 0;
    const u32 count = m.columns - column < 4 ? m.columns - column : 4;
    u32 word = 0;
    for (u32 i = 0; i < count; ++i) word |= (u32)(u8)from[i] << (8 * i);
    return word;
}

// Byte j of word i and byte i of word j change places.
POGW_INLINE void pg_transpose_4x4(u32* w) {
    for (u32 i = 0; i < 4; i += 2) {
        const u32 t = ((w[i] >> 8) ^ w[i + 1]) & 0x00ff00ffu;
        w[i] ^= t << 8;
        w[i + 1] ^= t;
    }
    for (u32 i = 0; i < 2; ++i) {
        const u32 t = ((w[i] >> 16) ^ w[i + 2]) & 0x0000ffffu;
        w[i] ^= t << 16;
        w[i + 2] ^= t;
    }
}

// A's rows `row` to `row + 63`, columns `depth` to `depth + 255`. A warp reads half a row at a time.
template <bool inside> POGW_INLINE void pg_copy_a(u32* to, const PgMatrix& a, u32 row, u32 depth) {
    const u32 t = threadIdx.y * 16 + threadIdx.x;
    const u32 width = PG_SLICE / 4, first = t / width, word = t % width;
    const i8* from = a.at + (u64)(row + first) * a.columns + depth + 4 * word;
    to += first * PG_ROW_WORDS + word;
#pragma unroll
    for (u32 r = 0; r < PG_TILE; r += 256 / width) {
        to[r * PG_ROW_WORDS] = pg_matrix_word<inside>(a, row + first + r, depth + 4 * word, from);
        from += 256 / width * (u64)a.columns;
    }
}

// B's rows `depth` to `depth + 255`, columns `column` to `column + 63`, transposed in squares of 4x4.
template <bool inside> POGW_INLINE void pg_copy_b(u32* to, const PgMatrix& b, u32 depth, u32 column) {
    const u32 c = 4 * threadIdx.x, first = threadIdx.y;
    const i8* from = b.at + (u64)(depth + 4 * first) * b.columns + column + c;
    to += c * PG_ROW_WORDS + first;
#pragma unroll
    for (u32 word = 0; word < PG_SLICE / 4; word += 16) {
        u32 square[4];
#pragma unroll
        for (u32 i = 0; i < 4; ++i) {
            const i8* here = from + (4 * word + i) * (u64)b.columns;
            square[i] = pg_matrix_word<inside>(b, depth + 4 * (first + word) + i, column + c, here);
        }
        pg_transpose_4x4(square);
        for (u32 j = 0; j < 4; ++j) to[j * PG_ROW_WORDS + word] = square[j];
    }
}

// The same for a whole block of threads, which all take the same branch.
POGW_INLINE void pg_copy(PgSlices& slices, const PgMatrix& a, const PgMatrix& b, u32 row, u32 column, u32 depth) {
    if (a.words && pg_has(a, row, PG_TILE, depth, PG_SLICE)) {
        pg_copy_a<true>(slices.a, a, row, depth);
    } else {
        pg_copy_a<false>(slices.a, a, row, depth);
    }
    if (b.words && pg_has(b, depth, PG_SLICE, column, PG_TILE)) {
        pg_copy_b<true>(slices.b, b, depth, column);
    } else {
        pg_copy_b<false>(slices.b, b, depth, column);
    }
}

// ---- The tile -------------------------------------------------------------------------------------------------------

// Adds the products of the first `words` words of each row of the slice, a multiple of 4.
POGW_INLINE void pg_slice_products(PgSum (*sums)[4], const PgSlices& slices, u32 words) {
    const u32 next = 16 * PG_ROW_WORDS;
    // Two columns at a time: eight sums and their operands fit into sixteen vector registers.
#pragma unroll
    for (u32 j = 0; j < 4; j += 2) {
        PgSum left[4], right[4];
        for (u32 i = 0; i < 4; ++i) {
            left[i] = sums[i][j];
            right[i] = sums[i][j + 1];
        }
        const u32* a = slices.a + threadIdx.y * PG_ROW_WORDS;
        const u32* b = slices.b + threadIdx.x * PG_ROW_WORDS + j * next;
        // Unrolled, it takes more registers than two blocks of a multiprocessor have.
#pragma unroll 1
        for (const u32* end = a + words; a != end; a += 4, b += 4) {
            const PgSteps b_left = pg_steps(b), b_right = pg_steps(b + next);
            for (u32 i = 0; i < 4; ++i) {
                const PgSteps row = pg_steps(a + i * next);
                left[i] = pg_sum_steps(left[i], row, b_left);
                right[i] = pg_sum_steps(right[i], row, b_right);
            }
        }
        for (u32 i = 0; i < 4; ++i) {
            sums[i][j] = left[i];
            sums[i][j + 1] = right[i];
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
        pg_copy(slices, a, b, row, column, depth);
        __syncthreads();
        // Beyond K a slice holds zeros.
        const u32 steps = k - depth < PG_SLICE ? k - depth : PG_SLICE;
        pg_slice_products(sums, slices, (steps + 15) / 16 * 4);
        __syncthreads();
    }
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) totals[i][j] = pg_sum_total(sums[i][j]);
    }
}
