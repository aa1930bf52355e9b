// The block of spec/transformer_block.md, a launch a stage.
//
// In scope: operands from a seed, norms, int8 products with what follows each, causal attention. Out of scope: caches,
// several blocks.
//
// Sums over channels and keys are sums of integers, so tiles may be filled up with zeros and walked in any order.
#include "blake3.cuh"
#include "gemm_i8.cuh"
#include "philox.cuh"

#if POGW_DEVICE
#define TB_UNROLL _Pragma("unroll")
#else
#define TB_UNROLL
#endif

enum : u32 {
    TB_THREADS = 256,
    TB_QUERIES = 16, // queries, and keys at a time, of a block of the attention
    TB_HEAD = 256    // most columns of a head
};

// ---- From the seed --------------------------------------------------------------------------------------------------

// Thread q of the grid, in blocks of 256: block q of the stream.
POGW_KERNEL transformer_block_fill(i8* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * TB_THREADS + threadIdx.x;
    if (q < pg_blocks_i8(len)) pg_fill_i8(out, len, pg_stream(key_0, key_1, high_0, high_1), q);
}

POGW_KERNEL transformer_block_fill_x(float* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * TB_THREADS + threadIdx.x;
    if (q < pg_blocks_f32(len)) pg_fill_symmetric(out, len, pg_stream(key_0, key_1, high_0, high_1), q);
}

// ---- Norm -----------------------------------------------------------------------------------------------------------

// A warp a row, eight warps a block. Lane l sums the squares of columns l, l + 32, …; the lanes are added in halves.
POGW_KERNEL transformer_block_norm(const float* rows, i8* out, u32 tokens, u32 width, float share) {
    const u32 lane = threadIdx.x % 32, token = blockIdx.x * 8 + threadIdx.x / 32;
    if (token >= tokens) return;
    const float* row = rows + (u64)token * width;
    float s = 0.0f;
    for (u32 i = lane; i < width; i += 32) s = pg_fma(row[i], row[i], s);
    // Lane 0 adds what the specification says; what the upper lanes add is not used.
    for (u32 w = 16; w > 0; w /= 2) s = pg_add(s, __shfl_down_sync(0xffffffffu, s, w));
    s = __shfl_sync(0xffffffffu, s, 0);
    const float factor = pg_rsqrt(pg_fma(s, share, 0x1p-20f));
    for (u32 i = lane; i < width; i += 32) {
        out[(u64)token * width + i] = pg_i8_nearest(pg_mul(pg_mul(row[i], factor), 32.0f));
    }
}

// ---- Products -------------------------------------------------------------------------------------------------------
//
// Grids of the products: ceil(columns / 64) x ceil(tokens / 64) blocks of 16x16 threads, a tile each (gemm_i8.cuh).

// What this thread computes of rows x columns: element (i, j) is at row + 16 i, column + 16 j.
struct TbPart {
    u32 row, column, rows, columns;
};
POGW_INLINE TbPart tb_part(u32 rows, u32 columns) {
    return TbPart{blockIdx.y * PG_TILE + threadIdx.y, blockIdx.x * PG_TILE + threadIdx.x, rows, columns};
}
POGW_INLINE bool tb_has(const TbPart& part, u32 i, u32 j) {
    return part.row + 16 * i < part.rows && part.column + 16 * j < part.columns;
}
POGW_INLINE u64 tb_at(const TbPart& part, u32 i, u32 j) {
    return (u64)(part.row + 16 * i) * part.columns + part.column + 16 * j;
}

// This thread's sums of a (rows x depth) times w (depth x columns). All threads of a block come here.
POGW_INLINE void tb_sums(i32 (*sums)[4], PgSlices& slices, const i8* a, const i8* w, u32 rows, u32 columns, u32 depth) {
    const u32 row = blockIdx.y * PG_TILE, column = blockIdx.x * PG_TILE;
    pg_tile(sums, slices, pg_matrix(a, rows, depth), pg_matrix(w, depth, columns), row, column);
}

// The angle of a token's pair, in turns of 2^32.
POGW_INLINE u32 tb_angle(u32 token, u32 pair, u32 pairs) {
    const float exponent = pg_div(pg_neg(pg_mul(pg_from_bits(0x41135d8eu), pg_float_u32(pair))), pg_float_u32(pairs));
    return token * pg_u32(pg_rint(pg_mul(pg_from_bits(0x4e22f983u), pg_exp(exponent))));
}

// q or k: each pair of columns turned by the token's position. Heads begin at even columns, so the two of a pair belong
// to neighbours in a warp.
POGW_KERNEL transformer_block_rotate(const i8* normed, const i8* w, i8* out, u32 tokens, u32 width, u32 head,
                                     float scale) {
    __shared__ PgSlices slices;
    i32 sums[4][4];
    tb_sums(sums, slices, normed, w, tokens, width, width);
    const TbPart part = tb_part(tokens, width);
    TB_UNROLL
    for (u32 i = 0; i < 4; ++i) {
        TB_UNROLL
        for (u32 j = 0; j < 4; ++j) {
            const u32 column = part.column + 16 * j;
            const float own = pg_mul(pg_float_i32(sums[i][j]), scale);
            const float other = __shfl_xor_sync(0xffffffffu, own, 1);
            const PgSinCos turn = pg_sincos_turn(tb_angle(part.row + 16 * i, column % head / 2, head / 2));
            const float even = pg_fma(own, turn.cos, pg_neg(pg_mul(other, turn.sin)));
            const float odd = pg_fma(other, turn.sin, pg_mul(own, turn.cos));
            if (tb_has(part, i, j)) out[tb_at(part, i, j)] = pg_i8_nearest(column % 2 == 0 ? even : odd);
        }
    }
}

POGW_KERNEL transformer_block_values(const i8* normed, const i8* w, i8* out, u32 tokens, u32 width, i32 multiplier) {
    __shared__ PgSlices slices;
    i32 sums[4][4];
    tb_sums(sums, slices, normed, w, tokens, width, width);
    const TbPart part = tb_part(tokens, width);
    TB_UNROLL
    for (u32 i = 0; i < 4; ++i) {
        TB_UNROLL
        for (u32 j = 0; j < 4; ++j) {
            if (tb_has(part, i, j)) out[tb_at(part, i, j)] = pg_requant(sums[i][j], multiplier, 32);
        }
    }
}

POGW_KERNEL transformer_block_up(const i8* normed, const i8* w, i8* out, u32 tokens, u32 width, u32 hidden,
                                 float scale) {
    __shared__ PgSlices slices;
    i32 sums[4][4];
    tb_sums(sums, slices, normed, w, tokens, hidden, width);
    const TbPart part = tb_part(tokens, hidden);
    TB_UNROLL
    for (u32 i = 0; i < 4; ++i) {
        TB_UNROLL
        for (u32 j = 0; j < 4; ++j) {
            const float active = pg_silu(pg_mul(pg_float_i32(sums[i][j]), scale));
            if (tb_has(part, i, j)) out[tb_at(part, i, j)] = pg_i8_nearest(pg_mul(active, 32.0f));
        }
    }
}

// after = before + scale * sums.
POGW_INLINE void tb_add(const i32 (*sums)[4], const TbPart& part, const float* before, float* after, float scale) {
    TB_UNROLL
    for (u32 i = 0; i < 4; ++i) {
        TB_UNROLL
        for (u32 j = 0; j < 4; ++j) {
            if (!tb_has(part, i, j)) continue;
            const u64 at = tb_at(part, i, j);
            after[at] = pg_canon(pg_fma(pg_float_i32(sums[i][j]), scale, before[at]));
        }
    }
}

// The output projection takes the context in two limbs of int8, 16 * high + low, a launch each: the sums of both at once
// do not fit the registers of a thread.
POGW_KERNEL transformer_block_merge_high(const i8* high, const i8* w, i32* of_high, u32 tokens, u32 width) {
    __shared__ PgSlices slices;
    i32 sums[4][4];
    tb_sums(sums, slices, high, w, tokens, width, width);
    const TbPart part = tb_part(tokens, width);
    TB_UNROLL
    for (u32 i = 0; i < 4; ++i) {
        TB_UNROLL
        for (u32 j = 0; j < 4; ++j) {
            if (tb_has(part, i, j)) of_high[tb_at(part, i, j)] = sums[i][j];
        }
    }
}

POGW_KERNEL transformer_block_merge(const i8* low, const i8* w, const i32* of_high, const float* before, float* after,
                                    u32 tokens, u32 width, float scale) {
    __shared__ PgSlices slices;
    i32 sums[4][4];
    tb_sums(sums, slices, low, w, tokens, width, width);
    const TbPart part = tb_part(tokens, width);
    TB_UNROLL
    for (u32 i = 0; i < 4; ++i) {
        TB_UNROLL
        for (u32 j = 0; j < 4; ++j) {
            if (tb_has(part, i, j)) sums[i][j] += 16 * of_high[tb_at(part, i, j)];
        }
    }
    tb_add(sums, part, before, after, scale);
}

POGW_KERNEL transformer_block_down(const i8* hidden, const i8* w, const float* before, float* after, u32 tokens,
                                   u32 units, u32 width, float scale) {
    __shared__ PgSlices slices;
    i32 sums[4][4];
    tb_sums(sums, slices, hidden, w, tokens, width, units);
    tb_add(sums, tb_part(tokens, width), before, after, scale);
}

// ---- Attention ------------------------------------------------------------------------------------------------------

// One head's columns of 16 rows in words of four int8; what is outside is 0.
struct TbRows {
    u32 word[TB_QUERIES][TB_HEAD / 4 + 1];
};

POGW_INLINE void tb_load(TbRows& tile, const i8* rows, u32 first, u32 tokens, u32 width, u32 head) {
    const u32 words = (head + 3) / 4;
    for (u32 e = threadIdx.y * 16 + threadIdx.x; e < TB_QUERIES * words; e += TB_THREADS) {
        const u32 row = e / words, l = e % words;
        const u64 at = (u64)(first + row) * width + (u64)blockIdx.y * head + 4 * l;
        u32 word = 0;
        for (u32 i = 0; i < 4; ++i) {
            if (first + row < tokens && 4 * l + i < head) word |= (u32)(u8)rows[at + i] << (8 * i);
        }
        tile.word[row][l] = word;
    }
}

POGW_INLINE i32 tb_dot(const TbRows& queries, const TbRows& keys, u32 head) {
    i32 sum = 0;
    for (u32 l = 0; l < (head + 3) / 4; ++l) {
        sum = pg_dp4a(queries.word[threadIdx.y][l], keys.word[threadIdx.x][l], sum);
    }
    return sum;
}

// dividend / divisor to the nearest integer, ties to even; divisor > 0.
POGW_INLINE i64 tb_divide(i64 dividend, i64 divisor) {
    i64 floor = dividend / divisor, rest = dividend % divisor;
    if (rest < 0) {
        floor -= 1;
        rest += divisor;
    }
    const bool up = 2 * rest > divisor || (2 * rest == divisor && (floor & 1) != 0);
    return floor + (up ? 1 : 0);
}

// Grid: ceil(tokens / 16) x heads blocks of 16x16 threads. Thread (x, y) has query y and, of each 16 keys, key x; of
// the context of query y it has columns x, x + 16, …. The keys are walked twice: for the largest logit, and for the
// weights and what they sum. The context is written whole, and in
// limbs for the product that follows.
POGW_KERNEL transformer_block_attend(const i8* q, const i8* k, const i8* v, i16* context, i8* high, i8* low,
                                     u32 tokens, u32 width, u32 head, float scale) {
    __shared__ TbRows queries, keys, values;
    __shared__ i32 shared[TB_QUERIES][TB_QUERIES + 1];
    const u32 x = threadIdx.x, y = threadIdx.y;
    const u32 first_query = blockIdx.x * TB_QUERIES, query = first_query + y;
    const u32 end = tokens < first_query + TB_QUERIES ? tokens : first_query + TB_QUERIES;
    tb_load(queries, q, first_query, tokens, width, head);

    i32 largest = -(1 << 30); // below any logit
    for (u32 first = 0; first < end; first += TB_QUERIES) {
        tb_load(keys, k, first, tokens, width, head);
        __syncthreads();
        const i32 logit = tb_dot(queries, keys, head);
        if (first + x <= query && logit > largest) largest = logit;
        __syncthreads();
    }
    shared[y][x] = largest;
    __syncthreads();
    for (u32 l = 0; l < TB_QUERIES; ++l) largest = shared[y][l] > largest ? shared[y][l] : largest;
    __syncthreads();

    i32 total = 0;
    i64 sum[TB_HEAD / 16] = {};
    for (u32 first = 0; first < end; first += TB_QUERIES) {
        tb_load(keys, k, first, tokens, width, head);
        tb_load(values, v, first, tokens, width, head);
        __syncthreads();
        i32 weight = 0;
        if (first + x <= query) {
            const float behind = pg_float_i32(tb_dot(queries, keys, head) - largest);
            weight = (i32)pg_u32(pg_rint(pg_mul(pg_exp(pg_mul(behind, scale)), 16383.0f)));
        }
        shared[y][x] = weight;
        __syncthreads();
        TB_UNROLL
        for (u32 i = 0; i < TB_HEAD / 16; ++i) {
            const u32 column = x + 16 * i;
            if (column < head) {
                for (u32 l = 0; l < TB_QUERIES; ++l) {
                    const i8 value = (i8)(values.word[l][column / 4] >> (8 * (column % 4)));
                    sum[i] += (i64)shared[y][l] * value;
                }
            }
        }
        for (u32 l = 0; l < TB_QUERIES; ++l) total += shared[y][l];
        __syncthreads();
    }
    if (query >= tokens) return;
    TB_UNROLL
    for (u32 i = 0; i < TB_HEAD / 16; ++i) {
        const u32 column = x + 16 * i;
        const u64 at = (u64)query * width + (u64)blockIdx.y * head + column;
        if (column >= head) continue;
        const i16 value = (i16)tb_divide(16 * sum[i], total);
        context[at] = value;
        high[at] = (i8)(value >> 4);
        low[at] = (i8)(value & 15);
    }
}

POGW_TABLE(transformer_block, POGW_BLAKE3_ENTRIES POGW_ENTRY(transformer_block_fill) POGW_ENTRY(transformer_block_fill_x)
    POGW_ENTRY(transformer_block_norm) POGW_ENTRY(transformer_block_rotate) POGW_ENTRY(transformer_block_values)
    POGW_ENTRY(transformer_block_up) POGW_ENTRY(transformer_block_merge_high)
    POGW_ENTRY(transformer_block_merge) POGW_ENTRY(transformer_block_down)
    POGW_ENTRY(transformer_block_attend))
