// A 128x128 tile of an exact int8 product: on a device by matrix instructions, on a CPU as four tiles of gemm_i8.cuh.
//
// In scope: the sums of one block of 256 threads, handed to whoever wants them. Out of scope: what becomes of them
// (gemm_i8.cu, gemm_i8_requant.cu, gemm_chain.cu).
//
// On a device: K is taken in slices of 64. While a slice is multiplied, the next one is fetched into registers; it is
// stored to the other of two buffers, B's part transposed, so that bytes along k are neighbours as the instruction wants
// them. A warp of eight computes 64 rows by 32 columns. Sums are exact, so their order is free.
//
// A column of the tile does not lie at its own place in shared memory but at that of `pg_wide_line`: threads that store
// side by side then meet different banks, and a thread ends up with sums of four neighbouring columns.
#pragma once

#include "gemm_i8.cuh"
#include "mma_i8.cuh"

// POGW_MMA_TWIN: a CPU tries the device's way, by the twins of its instructions.
#if POGW_DEVICE || defined(POGW_MMA_TWIN)
#define PG_MMA 1
#else
#define PG_MMA 0
#endif

enum : u32 { PG_WIDE = 128 };

#if PG_MMA

enum : u32 {
    PG_WIDE_DEPTH = 64,
    // Bytes from one line to the next: 80 mod 128 puts eight lines of 16 bytes into all banks.
    PG_WIDE_PITCH = PG_WIDE_DEPTH + 16
};

// Rows of A, and columns of B, with their bytes along k.
struct alignas(16) PgWideSlice {
    u8 a[PG_WIDE * PG_WIDE_PITCH], b[PG_WIDE * PG_WIDE_PITCH];
};

struct PgWideShared {
    PgWideSlice slices[2];
};

// Bytes for whoever takes the sums, PG_WIDE * PG_WIDE of them. The slices are done with by then, and sums are handed over
// by way of the second.
POGW_INLINE u8* pg_wide_spare(PgWideShared& shared) { return shared.slices[0].a; }

POGW_INLINE u32 pg_wide_thread() { return threadIdx.y * 16 + threadIdx.x; }

// Where column 4 q + j of the tile lies.
POGW_INLINE u32 pg_wide_line(u32 q, u32 j) { return j * (PG_WIDE / 4) + q; }

// What a thread fetches of a slice: 16 bytes of two rows of A; of B two squares of four rows by four columns.
struct PgWideFetched {
    u32 a[2][4], b[2][4];
};

// Row and chunk of 16 bytes of A, part i.
POGW_INLINE u32 pg_wide_a_row(u32 i) { return pg_wide_thread() / 4 + 64 * i; }
POGW_INLINE u32 pg_wide_a_chunk() { return pg_wide_thread() % 4; }

// Square i of B: columns 4 q to 4 q + 3, rows 4 w to 4 w + 3. A warp has eight by four squares.
POGW_INLINE u32 pg_wide_b_q() { return pg_wide_thread() / 32 % 4 * 8 + pg_wide_thread() % 8; }
POGW_INLINE u32 pg_wide_b_w(u32 i) { return pg_wide_thread() / 128 * 4 + pg_wide_thread() % 32 / 8 + 8 * i; }

// `quads`: 16 elements from a column on that is a multiple of 16 may be read as one.
template <bool quads> POGW_INLINE void pg_wide_fetch_a(u32 (&to)[4], const PgMatrix& a, u32 row, u32 column) {
    const i8* from = a.at + (u64)row * a.columns + column;
    if (quads) {
        const uint4 words = *reinterpret_cast<const uint4*>(from);
        to[0] = words.x, to[1] = words.y, to[2] = words.z, to[3] = words.w;
        return;
    }
    for (u32 i = 0; i < 4; ++i) to[i] = pg_matrix_word<false>(a, row, column + 4 * i, from + 4 * i);
}

template <bool inside> POGW_INLINE void pg_wide_fetch_b(u32 (&to)[4], const PgMatrix& b, u32 row, u32 column) {
    const i8* from = b.at + (u64)row * b.columns + column;
    for (u32 i = 0; i < 4; ++i) to[i] = pg_matrix_word<inside>(b, row + i, column, from + i * (u64)b.columns);
}

// The whole block takes the same branches.
POGW_INLINE void pg_wide_fetch(PgWideFetched& to, const PgMatrix& a, const PgMatrix& b, u32 row, u32 column, u32 depth) {
    const bool quads = (a.columns & 15u) == 0 && (reinterpret_cast<u64>(a.at) & 15u) == 0;
    if (quads && pg_has(a, row, PG_WIDE, depth, PG_WIDE_DEPTH)) {
        for (u32 i = 0; i < 2; ++i) pg_wide_fetch_a<true>(to.a[i], a, row + pg_wide_a_row(i), depth + 16 * pg_wide_a_chunk());
    } else {
        for (u32 i = 0; i < 2; ++i) pg_wide_fetch_a<false>(to.a[i], a, row + pg_wide_a_row(i), depth + 16 * pg_wide_a_chunk());
    }
    if (b.words && pg_has(b, depth, PG_WIDE_DEPTH, column, PG_WIDE)) {
        for (u32 i = 0; i < 2; ++i) pg_wide_fetch_b<true>(to.b[i], b, depth + 4 * pg_wide_b_w(i), column + 4 * pg_wide_b_q());
    } else {
        for (u32 i = 0; i < 2; ++i) pg_wide_fetch_b<false>(to.b[i], b, depth + 4 * pg_wide_b_w(i), column + 4 * pg_wide_b_q());
    }
}

POGW_INLINE void pg_wide_store(PgWideSlice& slice, PgWideFetched& fetched) {
    for (u32 i = 0; i < 2; ++i) {
        u8* to = slice.a + pg_wide_a_row(i) * PG_WIDE_PITCH + 16 * pg_wide_a_chunk();
        *reinterpret_cast<uint4*>(to) = make_uint4(fetched.a[i][0], fetched.a[i][1], fetched.a[i][2], fetched.a[i][3]);
        pg_transpose_4x4(fetched.b[i]);
        for (u32 j = 0; j < 4; ++j) {
            u8* line = slice.b + pg_wide_line(pg_wide_b_q(), j) * PG_WIDE_PITCH;
            *reinterpret_cast<u32*>(line + 4 * pg_wide_b_w(i)) = fetched.b[i][j];
        }
    }
}

// The warp's place in the tile: its first row, and the first of its eight q.
POGW_INLINE u32 pg_wide_warp_row() { return pg_wide_thread() / 128 * 64; }
POGW_INLINE u32 pg_wide_warp_q() { return pg_wide_thread() / 32 % 4 * 8; }

// sums[i][j]: rows 16 i of the warp's, columns 4 q + j of its q.
POGW_INLINE void pg_wide_products(i32 (&sums)[4][4][4], const PgWideSlice& slice) {
    const u32 lane = pg_wide_thread() % 32, matrix = lane / 8, line = lane % 8;
#pragma unroll
    for (u32 depth = 0; depth < PG_WIDE_DEPTH; depth += 32) {
        u32 right[4][2];
#pragma unroll
        for (u32 j = 0; j < 4; j += 2) {
            u32 words[4];
            const u32 at = pg_wide_line(pg_wide_warp_q() + line, j + matrix / 2);
            pg_load_matrices(words, slice.b + at * PG_WIDE_PITCH + depth + 16 * (matrix % 2));
            right[j][0] = words[0], right[j][1] = words[1], right[j + 1][0] = words[2], right[j + 1][1] = words[3];
        }
#pragma unroll
        for (u32 i = 0; i < 4; ++i) {
            u32 left[4];
            const u32 at = pg_wide_warp_row() + 16 * i + 8 * (matrix % 2) + line;
            pg_load_matrices(left, slice.a + at * PG_WIDE_PITCH + depth + 16 * (matrix / 2));
#pragma unroll
            for (u32 j = 0; j < 4; ++j) pg_mma_i8(sums[i][j], left, right[j]);
        }
    }
}

// Hands the sums of a warp to `take`, 16 rows at a time by way of shared memory: a thread then has four neighbouring
// columns, and what `take` does with them is not done with all 64 sums of a thread at once, for which it has no registers.
template <class Take>
POGW_INLINE void pg_wide_hand(PgWideShared& shared, const i32 (&sums)[4][4][4], u32 row, u32 column, u32 m, u32 n,
                              Take& take) {
    const u32 lane = pg_wide_thread() % 32;
    i32* stage = reinterpret_cast<i32*>(shared.slices[1].a) + pg_wide_thread() / 32 * 16 * 32;
    const u32 s = column + 4 * (pg_wide_warp_q() + lane % 8);
#pragma unroll
    for (u32 i = 0; i < 4; ++i) {
#pragma unroll
        for (u32 part = 0; part < 4; ++part) {
            const u32 line = 8 * (part / 2) + lane / 4, q = lane % 4 * 2 + part % 2;
            *reinterpret_cast<int4*>(stage + line * 32 + 4 * q) =
                make_int4(sums[i][0][part], sums[i][1][part], sums[i][2][part], sums[i][3][part]);
        }
        __syncwarp();
#pragma unroll 1
        for (u32 line = lane / 8; line < 16; line += 4) {
            const u32 r = row + pg_wide_warp_row() + 16 * i + line;
            const int4 quad = *reinterpret_cast<const int4*>(stage + line * 32 + 4 * (lane % 8));
            const i32 four[4] = {quad.x, quad.y, quad.z, quad.w};
            if (r < m && s < n) take.four(r, s, min(n - s, 4u), four);
        }
        __syncwarp();
    }
}

// Hands each sum over l of A[r][l] * B[l][s], for r from `row` on and s from `column` on as far as the tile and the
// matrices reach, to `take`: `take.one(r, s, sum)`, or `take.four(r, s, count, sums)` for columns s to s + count - 1, count
// at most four and s - column a multiple of four. All threads of the block call it, with the same arguments. `take` may
// write to the spare bytes.
template <class Take>
POGW_INLINE void pg_wide_tile(PgWideShared& shared, const PgMatrix& a, const PgMatrix& b, u32 row, u32 column,
                              Take& take) {
    i32 sums[4][4][4] = {};
    PgWideFetched fetched;
    pg_wide_fetch(fetched, a, b, row, column, 0);
    pg_wide_store(shared.slices[0], fetched);
    __syncthreads();
    u32 now = 0;
    for (u32 depth = 0; depth < a.columns; depth += PG_WIDE_DEPTH) {
        const bool more = a.columns - depth > PG_WIDE_DEPTH;
        if (more) pg_wide_fetch(fetched, a, b, row, column, depth + PG_WIDE_DEPTH);
        pg_wide_products(sums, shared.slices[now]);
        now ^= 1;
        // Its last readers were before the barrier of the round before.
        if (more) pg_wide_store(shared.slices[now], fetched);
        __syncthreads();
    }
    pg_wide_hand(shared, sums, row, column, a.rows, b.columns, take);
}

#else

struct PgWideShared {
    PgSlices slices;
    alignas(16) u8 spare[PG_WIDE * PG_WIDE];
};

POGW_INLINE u8* pg_wide_spare(PgWideShared& shared) { return shared.spare; }

// As above.
template <class Take>
POGW_INLINE void pg_wide_tile(PgWideShared& shared, const PgMatrix& a, const PgMatrix& b, u32 row, u32 column,
                              Take& take) {
    for (u32 part = 0; part < 4; ++part) {
        const u32 top = row + part / 2 * PG_TILE, left = column + part % 2 * PG_TILE;
        if (top >= a.rows || left >= b.columns) continue;
        i32 totals[4][4];
        pg_tile(totals, shared.slices, a, b, top, left);
        for (u32 i = 0; i < 4; ++i) {
            for (u32 j = 0; j < 4; ++j) {
                const u32 r = top + threadIdx.y + 16 * i, s = left + threadIdx.x + 16 * j;
                if (r < a.rows && s < b.columns) take.one(r, s, totals[i][j]);
            }
        }
    }
}

#endif
