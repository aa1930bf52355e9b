// A 64x64 tile of an exact int8 product: what the products of transformer_block.cu are made of, and on a CPU the larger
// tile of the others (gemm_i8_wide.cuh).
//
// In scope: the sums of one block of threads. Out of scope: what becomes of them, and where operands come from.
//
// 256 threads as 16x16. K is taken in slices of 256: A's part of a slice is copied to shared memory, B's is transposed
// on the way, so that 16 bytes in a row are 16 steps of one sum. Thread (x, y) has the sums of rows y + 16 i and
// columns x + 16 j, i and j from 0 to 3. The sums are exact (spec/gemm_i8.md), so their order is free: a CPU with VNNI
// takes longer slices and shares the sums out otherwise, to the same bits.
#pragma once

#include "pogw.cuh"

// A CPU with an instruction for int8, used where a build has it.
#if !POGW_DEVICE && defined(__AVX512VNNI__) && defined(__AVX512BW__)
#define PG_VNNI 1
#else
#define PG_VNNI 0
#endif

// With VNNI a slice of 256 is done in less time than it takes to hand over between the threads.
static const u32 PG_TILE = 64, PG_SLICE = PG_VNNI ? 512 : 256;

// Words from one row of a slice to the next: 68 mod 32 banks is 4, so eight threads that each read 16 bytes of eight
// rows meet all banks once. The slice of B is transposed: its rows are columns of B.
#if !PG_VNNI
static const u32 PG_ROW_WORDS = PG_SLICE / 4 + 4;
static const u32 PG_B_COLUMN = PG_ROW_WORDS, PG_B_WORD = 1;
#else
// Four steps of 16 columns are one register: words of 64 columns lie side by side.
static const u32 PG_ROW_WORDS = PG_SLICE / 4;
static const u32 PG_B_COLUMN = 1, PG_B_WORD = PG_TILE;
#endif

// ---- Sixteen steps of a sum -----------------------------------------------------------------------------------------

// `PgSteps`: 16 int8 values. `PgSum`: a sum in the making; `pg_sum_steps` adds 16 products, `pg_sum_total` ends it.
// A device has an instruction for four of them. A CPU has one for pairs of int16 in lanes, which are added up once at
// the end; it is faster with operands widened once and sums kept in lanes. One with VNNI
// has an instruction for 16 times four, and a tile of its own (see The tile).
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

#elif !PG_VNNI

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

#if PG_VNNI
struct alignas(64) PgSlices {
#else
struct PgSlices {
#endif
    u32 a[PG_TILE * PG_ROW_WORDS]; // row r of the tile at r * PG_ROW_WORDS
    u32 b[PG_TILE * PG_ROW_WORDS]; // word w of column c at c * PG_B_COLUMN + w * PG_B_WORD
};

// Four elements of A as the slice has them. The instruction of VNNI takes one factor without sign: A's, 128 more.
POGW_INLINE u32 pg_left(u32 word) {
#if PG_VNNI
    return word ^ 0x80808080u;
#else
    return word;
#endif
}

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

#if PG_VNNI

// Threads run one after another, so each copies whole registers: 64 bytes of a row, flipped as `pg_left` does.
POGW_INLINE void pg_copy_a_by_register(u32* to, const PgMatrix& a, u32 row, u32 depth) {
    const u32 parts = PG_SLICE / 64;
    for (u32 t = threadIdx.y * 16 + threadIdx.x; t < PG_TILE * parts; t += 256) {
        const u32 r = t / parts, part = t % parts;
        const __m512i bytes = _mm512_loadu_si512(a.at + (u64)(row + r) * a.columns + depth + 64 * part);
        _mm512_store_si512(to + r * PG_ROW_WORDS + 16 * part, _mm512_xor_si512(bytes, _mm512_set1_epi8(-128)));
    }
}

// 16 columns of four rows, byte by byte in turn.
POGW_INLINE void pg_copy_b_by_register(u32* to, const PgMatrix& b, u32 depth, u32 column) {
    const u32 parts = PG_TILE / 16;
    for (u32 t = threadIdx.y * 16 + threadIdx.x; t < PG_SLICE / 4 * parts; t += 256) {
        const u32 word = t / parts, part = t % parts;
        const i8* from = b.at + (u64)(depth + 4 * word) * b.columns + column + 16 * part;
        __m128i rows[4];
        for (u32 i = 0; i < 4; ++i) rows[i] = _mm_loadu_si128((const __m128i*)(from + i * (u64)b.columns));
        const __m128i low_01 = _mm_unpacklo_epi8(rows[0], rows[1]), high_01 = _mm_unpackhi_epi8(rows[0], rows[1]);
        const __m128i low_23 = _mm_unpacklo_epi8(rows[2], rows[3]), high_23 = _mm_unpackhi_epi8(rows[2], rows[3]);
        __m128i* at = (__m128i*)(to + word * PG_B_WORD + 16 * part);
        _mm_store_si128(at, _mm_unpacklo_epi16(low_01, low_23));
        _mm_store_si128(at + 1, _mm_unpackhi_epi16(low_01, low_23));
        _mm_store_si128(at + 2, _mm_unpacklo_epi16(high_01, high_23));
        _mm_store_si128(at + 3, _mm_unpackhi_epi16(high_01, high_23));
    }
}

#endif

// A's rows `row` to `row + 63`, columns `depth` to the end of the slice. A warp reads half a row at a time.
template <bool inside> POGW_INLINE void pg_copy_a(u32* to, const PgMatrix& a, u32 row, u32 depth) {
#if PG_VNNI
    if (inside) return pg_copy_a_by_register(to, a, row, depth);
#endif
    const u32 t = threadIdx.y * 16 + threadIdx.x;
    const u32 width = PG_SLICE / 4, first = t / width, word = t % width;
    const i8* from = a.at + (u64)(row + first) * a.columns + depth + 4 * word;
    to += first * PG_ROW_WORDS + word;
#pragma unroll
    for (u32 r = 0; r < PG_TILE; r += 256 / width) {
        to[r * PG_ROW_WORDS] = pg_left(pg_matrix_word<inside>(a, row + first + r, depth + 4 * word, from));
        from += 256 / width * (u64)a.columns;
    }
}

// B's rows from `depth` to the end of the slice, columns `column` to `column + 63`, transposed in squares of 4x4.
template <bool inside> POGW_INLINE void pg_copy_b(u32* to, const PgMatrix& b, u32 depth, u32 column) {
#if PG_VNNI
    if (inside) return pg_copy_b_by_register(to, b, depth, column);
#endif
    const u32 c = 4 * threadIdx.x, first = threadIdx.y;
    const i8* from = b.at + (u64)(depth + 4 * first) * b.columns + column + c;
    to += c * PG_B_COLUMN + first * PG_B_WORD;
#pragma unroll
    for (u32 word = 0; word < PG_SLICE / 4; word += 16) {
        u32 square[4];
#pragma unroll
        for (u32 i = 0; i < 4; ++i) {
            const i8* here = from + (4 * word + i) * (u64)b.columns;
            square[i] = pg_matrix_word<inside>(b, depth + 4 * (first + word) + i, column + c, here);
        }
        pg_transpose_4x4(square);
        for (u32 j = 0; j < 4; ++j) to[j * PG_B_COLUMN + word * PG_B_WORD] = square[j];
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

#if !PG_VNNI

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

#else

// The sums that one thread of 16 makes: those of four rows, for registers of 16 columns. `excess` is what the 128 of the
// left factors add to each column. All sums are modulo 2^32.
struct PgRows {
    __m512i sums[4][4], excess[4];
};

// Adds the products of the first `words` words of rows `row` to `row + 3` of the slice with all columns.
POGW_INLINE void pg_rows_products(PgRows& rows, const PgSlices& slices, u32 row, u32 words) {
    const __m512i bias = _mm512_set1_epi8(-128);
    const u32* a = slices.a + row * PG_ROW_WORDS;
    PgRows here = rows;
    for (u32 word = 0; word < words; ++word, ++a) {
        __m512i columns[4];
        for (u32 j = 0; j < 4; ++j) {
            columns[j] = _mm512_load_si512(slices.b + word * PG_B_WORD + 16 * j);
            here.excess[j] = _mm512_dpbusd_epi32(here.excess[j], bias, columns[j]);
        }
        for (u32 i = 0; i < 4; ++i) {
            const __m512i left = _mm512_set1_epi32((i32)a[i * PG_ROW_WORDS]);
            for (u32 j = 0; j < 4; ++j) here.sums[i][j] = _mm512_dpbusd_epi32(here.sums[i][j], left, columns[j]);
        }
    }
    rows = here;
}

// As above. The threads with x = 0 make the sums, all of them copy, and in the end each takes its own from shared memory:
// a thread with 16 registers of sums does as much as 16 that share them, and fewer stacks pass through the cache.
POGW_INLINE void pg_tile(i32 (*totals)[4], PgSlices& slices, const PgMatrix& a, const PgMatrix& b, u32 row, u32 column) {
    const bool makes_sums = threadIdx.x == 0;
    PgRows rows;
    if (makes_sums) rows = PgRows{};
    const u32 k = a.columns;
    for (u32 depth = 0; depth < k; depth += PG_SLICE) {
        pg_copy(slices, a, b, row, column, depth);
        __syncthreads();
        const u32 steps = k - depth < PG_SLICE ? k - depth : PG_SLICE;
        if (makes_sums) pg_rows_products(rows, slices, 4 * threadIdx.y, (steps + 3) / 4);
        __syncthreads();
    }
    static_assert(PG_ROW_WORDS >= PG_TILE, "the sums of the tile take the place of A's slice");
    for (u32 i = 0; makes_sums && i < 4; ++i) {
        for (u32 j = 0; j < 4; ++j) {
            u32* to = slices.a + (4 * threadIdx.y + i) * PG_TILE + 16 * j;
            _mm512_store_si512(to, _mm512_sub_epi32(rows.sums[i][j], rows.excess[j]));
        }
    }
    __syncthreads();
    for (u32 i = 0; i < 4; ++i) {
        for (u32 j = 0; j < 4; ++j) {
            totals[i][j] = (i32)slices.a[(threadIdx.y + 16 * i) * PG_TILE + threadIdx.x + 16 * j];
        }
    }
    __syncthreads();
}

#endif
