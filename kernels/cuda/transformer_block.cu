// The block of spec/transformer_block.md, a launch a stage.
//
// In scope: operands from a seed, norms, int8 products with what follows each, causal attention. Out of scope: caches,
// several blocks.
//
// Sums over channels and keys are sums of integers, so tiles may be filled up with zeros and walked in any order.
#include "philox.cuh"

enum : u32 {
    TB_THREADS = 256,
    TB_TILE = 64,    // rows and columns of a product for a block of 16x16 threads
    TB_EACH = 4,     // rows and columns for a thread
    TB_WORDS = 8,    // words of four int8 along the sum in shared memory
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

// Rows of int8, or one limb of rows of int16: value = 16 * high + low, both within int8.
struct TbBytes {
    const i8* data;
};
struct TbHigh {
    const i16* data;
};
struct TbLow {
    const i16* data;
};
POGW_INLINE i8 tb_limb(const TbBytes& rows, u64 e) { return rows.data[e]; }
POGW_INLINE i8 tb_limb(const TbHigh& rows, u64 e) { return (i8)(rows.data[e] >> 4); }
POGW_INLINE i8 tb_limb(const TbLow& rows, u64 e) { return (i8)(rows.data[e] & 15); }

POGW_INLINE u32 tb_with_byte(u32 word, u32 i, i8 value) { return word | (u32)(u8)value << (8 * i); }

// The part of a product that this thread computes.
struct TbSums {
    i32 at[TB_EACH][TB_EACH];
};
struct TbPlace {
    u32 row, column; // of at[0][0]
};
POGW_INLINE TbPlace tb_place() {
    return TbPlace{blockIdx.x * TB_TILE + threadIdx.y * TB_EACH, blockIdx.y * TB_TILE + threadIdx.x * TB_EACH};
}

// a (rows x depth) times w (depth x columns). All threads of a block of 16x16 come here.
template <class Rows>
POGW_INLINE TbSums tb_product(const Rows& a, const i8* w, u32 rows, u32 columns, u32 depth) {
    // Word l of a row of a, or of a column of w, in row l of a tile.
    __shared__ u32 a_tile[TB_WORDS][TB_TILE + 1];
    __shared__ u32 w_tile[TB_WORDS][TB_TILE + 1];
    const u32 thread = threadIdx.y * 16 + threadIdx.x;
    const u32 first_row = blockIdx.x * TB_TILE, first_column = blockIdx.y * TB_TILE;
    TbSums sums = {};
    for (u32 first = 0; first < depth; first += 4 * TB_WORDS) {
        for (u32 e = thread; e < TB_WORDS * TB_TILE; e += TB_THREADS) {
            const u32 l = e % TB_WORDS, row = first_row + e / TB_WORDS;
            u32 word = 0;
            for (u32 i = 0; i < 4; ++i) {
                const u32 at = first + 4 * l + i;
                if (row < rows && at < depth) word = tb_with_byte(word, i, tb_limb(a, (u64)row * depth + at));
            }
            a_tile[l][e / TB_WORDS] = word;
        }
        for (u32 e = thread; e < TB_WORDS * TB_TILE; e += TB_THREADS) {
            const u32 l = e / TB_TILE, column = first_column + e % TB_TILE;
            u32 word = 0;
            for (u32 i = 0; i < 4; ++i) {
                const u32 at = first + 4 * l + i;
                if (column < columns && at < depth) word = tb_with_byte(word, i, w[(u64)at * columns + column]);
            }
            w_tile[l][e % TB_TILE] = word;
        }
        __syncthreads();
        for (u32 l = 0; l < TB_WORDS; ++l) {
            for (u32 i = 0; i < TB_EACH; ++i) {
                const u32 left = a_tile[l][threadIdx.y * TB_EACH + i];
                for (u32 j = 0; j < TB_EACH; ++j) {
                    sums.at[i][j] = pg_dp4a(left, w_tile[l][threadIdx.x * TB_EACH + j], sums.at[i][j]);
                }
            }
        }
        __syncthreads();
    }
    return sums;
}

// Grids of the products: ceil(tokens / 64) x ceil(columns / 64) blocks of 16x16 threads.

// The angle of a token's pair, in turns of 2^32.
POGW_INLINE u32 tb_angle(u32 token, u32 pair, u32 pairs) {
    const float exponent = pg_div(pg_neg(pg_mul(pg_from_bits(0x41135d8eu), pg_float_u32(pair))), pg_float_u32(pairs));
    return token * pg_u32(pg_rint(pg_mul(pg_from_bits(0x4e22f983u), pg_exp(exponent))));
}

// q or k: each pair of columns turned by the token's position. A thread's columns begin at a multiple of 4 and heads at
// even columns, so no pair is divided.
POGW_KERNEL transformer_block_rotate(const i8* normed, const i8* w, i8* out, u32 tokens, u32 width, u32 head,
                                     float scale) {
    const TbSums sums = tb_product(TbBytes{normed}, w, tokens, width, width);
    const TbPlace place = tb_place();
    for (u32 i = 0; i < TB_EACH && place.row + i < tokens; ++i) {
        const u32 token = place.row + i;
        for (u32 j = 0; j < TB_EACH && place.column + j < width; j += 2) {
            const u32 column = place.column + j;
            const PgSinCos turn = pg_sincos_turn(tb_angle(token, column % head / 2, head / 2));
            const float u = pg_mul(pg_float_i32(sums.at[i][j]), scale);
            const float v = pg_mul(pg_float_i32(sums.at[i][j + 1]), scale);
            i8* at = out + (u64)token * width + column;
            at[0] = pg_i8_nearest(pg_fma(u, turn.cos, pg_neg(pg_mul(v, turn.sin))));
            at[1] = pg_i8_nearest(pg_fma(u, turn.sin, pg_mul(v, turn.cos)));
        }
    }
}

POGW_KERNEL transformer_block_values(const i8* normed, const i8* w, i8* out, u32 tokens, u32 width, i32 multiplier) {
    const TbSums sums = tb_product(TbBytes{normed}, w, tokens, width, width);
    const TbPlace place = tb_place();
    for (u32 i = 0; i < TB_EACH && place.row + i < tokens; ++i) {
        for (u32 j = 0; j < TB_EACH && place.column + j < width; ++j) {
            const u64 at = (u64)(place.row + i) * width + place.column + j;
            out[at] = pg_requant(sums.at[i][j], multiplier, 32);
        }
    }
}

POGW_KERNEL transformer_block_up(const i8* normed, const i8* w, i8* out, u32 tokens, u32 width, u32 hidden,
                                 float scale) {
    const TbSums sums = tb_product(TbBytes{normed}, w, tokens, hidden, width);
    const TbPlace place = tb_place();
    for (u32 i = 0; i < TB_EACH && place.row + i < tokens; ++i) {
        for (u32 j = 0; j < TB_EACH && place.column + j < hidden; ++j) {
            const u64 at = (u64)(place.row + i) * hidden + place.column + j;
            const float active = pg_silu(pg_mul(pg_float_i32(sums.at[i][j]), scale));
            out[at] = pg_i8_nearest(pg_mul(active, 32.0f));
        }
    }
}

// after = before + scale * sums.
POGW_INLINE void tb_add(const TbSums& sums, const float* before, float* after, u32 tokens, u32 width, float scale) {
    const TbPlace place = tb_place();
    for (u32 i = 0; i < TB_EACH && place.row + i < tokens; ++i) {
        for (u32 j = 0; j < TB_EACH && place.column + j < width; ++j) {
            const u64 at = (u64)(place.row + i) * width + place.column + j;
            after[at] = pg_canon(pg_fma(pg_float_i32(sums.at[i][j]), scale, before[at]));
        }
    }
}

POGW_KERNEL transformer_block_merge(const i16* context, const i8* w, const float* before, float* after, u32 tokens,
                                    u32 width, float scale) {
    TbSums sums = tb_product(TbHigh{context}, w, tokens, width, width);
    const TbSums low = tb_product(TbLow{context}, w, tokens, width, width);
    for (u32 i = 0; i < TB_EACH; ++i) {
        for (u32 j = 0; j < TB_EACH; ++j) sums.at[i][j] = 16 * sums.at[i][j] + low.at[i][j];
    }
    tb_add(sums, before, after, tokens, width, scale);
}

POGW_KERNEL transformer_block_down(const i8* hidden, const i8* w, const float* before, float* after, u32 tokens,
                                   u32 units, u32 width, float scale) {
    const TbSums sums = tb_product(TbBytes{hidden}, w, tokens, width, units);
    tb_add(sums, before, after, tokens, width, scale);
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
            if (first + row < tokens && 4 * l + i < head) word = tb_with_byte(word, i, rows[at + i]);
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
// weights and what they sum.
POGW_KERNEL transformer_block_attend(const i8* q, const i8* k, const i8* v, i16* context, u32 tokens, u32 width,
                                     u32 head, float scale) {
    __shared__ TbRows queries, keys, values;
    __shared__ i32 shared[TB_QUERIES][TB_QUERIES + 1];
    const u32 x = threadIdx.x, y = threadIdx.y;
    const u32 first_query = blockIdx.x * TB_QUERIES, query = first_query + y;
    const u32 end = tokens < first_query + TB_QUERIES ? tokens : first_query + TB_QUERIES;
    tb_load(queries, q, first_query, tokens, width, head);

    i32 largest = (i32)0x80000000u;
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
#if POGW_DEVICE
#pragma unroll
#endif
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
#if POGW_DEVICE
#pragma unroll
#endif
    for (u32 i = 0; i < TB_HEAD / 16; ++i) {
        const u32 column = x + 16 * i;
        const u64 at = (u64)query * width + (u64)blockIdx.y * head + column;
        if (column < head) context[at] = (i16)tb_divide(16 * sum[i], total);
    }
}

POGW_TABLE(transformer_block, POGW_ENTRY(transformer_block_fill) POGW_ENTRY(transformer_block_fill_x)
    POGW_ENTRY(transformer_block_norm) POGW_ENTRY(transformer_block_rotate) POGW_ENTRY(transformer_block_values)
    POGW_ENTRY(transformer_block_up) POGW_ENTRY(transformer_block_merge) POGW_ENTRY(transformer_block_down)
    POGW_ENTRY(transformer_block_attend))
