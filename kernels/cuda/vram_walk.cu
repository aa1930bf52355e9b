// The kernel `vram_walk`: spec/vram_walk.md. One thread, one lane or one walker.
#include "blake3.cuh"
#include "philox.cuh"

// A line of memory: 128 bytes, what a device reads at once.
struct PgLine {
    u32 word[32];
};

POGW_INLINE PgLine pg_read_line(const u32* from) {
    PgLine line;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const uint4 words = reinterpret_cast<const uint4*>(from)[i];
        line.word[4 * i] = words.x;
        line.word[4 * i + 1] = words.y;
        line.word[4 * i + 2] = words.z;
        line.word[4 * i + 3] = words.w;
    }
    return line;
}

POGW_INLINE void pg_write_line(u32* to, const PgLine& line) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        reinterpret_cast<uint4*>(to)[i] =
            make_uint4(line.word[4 * i], line.word[4 * i + 1], line.word[4 * i + 2], line.word[4 * i + 3]);
    }
}

// ---- Mixing ---------------------------------------------------------------------------------------------------------

// A round of BLAKE3 without a message on sixteen words of a line: `start`, `start + step`, and so on.
POGW_INLINE void pg_mix_round(PgLine& x, u32 start, u32 step) {
    u32 v[16];
#pragma unroll
    for (u32 i = 0; i < 16; ++i) v[i] = x.word[start + step * i];
    pg_blake3_round(v, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
#pragma unroll
    for (u32 i = 0; i < 16; ++i) x.word[start + step * i] = v[i];
}

POGW_INLINE void pg_mix(PgLine& x) {
    pg_mix_round(x, 0, 1);
    pg_mix_round(x, 16, 1);
    pg_mix_round(x, 0, 2);
    pg_mix_round(x, 1, 2);
}

// The line that follows `prev` and `earlier`, for the place `tag` of a pass.
POGW_INLINE PgLine pg_next_line(const PgLine& prev, const PgLine& earlier, u64 tag, u32 pass) {
    PgLine x;
#pragma unroll
    for (int i = 0; i < 32; ++i) x.word[i] = prev.word[i] ^ pg_rotr(earlier.word[i], 9);
    x.word[0] ^= (u32)tag;
    x.word[1] ^= (u32)(tag >> 32);
    x.word[2] ^= pass;
    PgLine mixed = x;
    pg_mix(mixed);
#pragma unroll
    for (int i = 0; i < 32; ++i) mixed.word[i] ^= x.word[i];
    return mixed;
}

// A number below `count` from a word.
POGW_INLINE u64 pg_below(u32 word, u64 count) { return ((u64)word * count) >> 32; }

// ---- Kernels --------------------------------------------------------------------------------------------------------

// The first pass: the lines of a lane, each from the one before and an earlier one of the lane. `starts`: first lines.
// `picks`: which earlier ones.
POGW_KERNEL vram_walk_first(u32* first, u32 lanes, u32 depth, u32 start_key_0, u32 start_key_1, u32 start_high_0,
                            u32 start_high_1, u32 pick_key_0, u32 pick_key_1, u32 pick_high_0, u32 pick_high_1) {
    const u32 lane = blockIdx.x * blockDim.x + threadIdx.x;
    if (lane >= lanes) return;
    const PgStream starts = pg_stream(start_key_0, start_key_1, start_high_0, start_high_1);
    const PgStream picks = pg_stream(pick_key_0, pick_key_1, pick_high_0, pick_high_1);
    const u64 base = (u64)lane * depth;
    PgLine prev, none;
#pragma unroll
    for (int i = 0; i < 32; ++i) none.word[i] = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const PgBlock block = pg_stream_block(starts, 8 * (u64)lane + i);
#pragma unroll
        for (int j = 0; j < 4; ++j) prev.word[4 * i + j] = block.word[j];
    }
    prev = pg_next_line(prev, none, base, 1);
    pg_write_line(first + 32 * base, prev);
    for (u32 j = 1; j < depth; ++j) {
        const u64 earlier = base + pg_below(pg_stream_word(picks, base + j), j);
        prev = pg_next_line(prev, pg_read_line(first + 32 * earlier), base + j, 1);
        pg_write_line(first + 32 * (base + j), prev);
    }
}

// The second pass: each line from the one before and any line of the first pass.
POGW_KERNEL vram_walk_second(const u32* first, u32* second, u32 lanes, u32 depth, u32 pick_key_0, u32 pick_key_1,
                             u32 pick_high_0, u32 pick_high_1) {
    const u32 lane = blockIdx.x * blockDim.x + threadIdx.x;
    if (lane >= lanes) return;
    const PgStream picks = pg_stream(pick_key_0, pick_key_1, pick_high_0, pick_high_1);
    const u64 base = (u64)lane * depth, lines = (u64)lanes * depth;
    PgLine prev = pg_read_line(first + 32 * (base + depth - 1));
    for (u32 j = 0; j < depth; ++j) {
        const u64 other = pg_below(pg_stream_word(picks, base + j), lines);
        prev = pg_next_line(prev, pg_read_line(first + 32 * other), base + j, 2);
        pg_write_line(second + 32 * (base + j), prev);
    }
}

// A walk over the second pass: each line read says which is read next.
POGW_KERNEL vram_walk_walk(const u32* second, u32* ends, u64 lines, u32 walkers, u32 hops, u32 key_0, u32 key_1,
                           u32 high_0, u32 high_1) {
    const u32 walker = blockIdx.x * blockDim.x + threadIdx.x;
    if (walker >= walkers) return;
    const PgStream starts = pg_stream(key_0, key_1, high_0, high_1);
    u32 state[8];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const PgBlock block = pg_stream_block(starts, 2 * (u64)walker + i);
#pragma unroll
        for (int j = 0; j < 4; ++j) state[4 * i + j] = block.word[j];
    }
    for (u32 hop = 0; hop < hops; ++hop) {
        PgLine x = pg_read_line(second + 32 * pg_below(state[0], lines));
#pragma unroll
        for (int i = 0; i < 8; ++i) x.word[i] ^= state[i];
        x.word[8] ^= hop;
        pg_mix(x);
#pragma unroll
        for (int i = 0; i < 8; ++i) state[i] = x.word[i] ^ x.word[i + 8] ^ x.word[i + 16] ^ x.word[i + 24];
    }
    for (int i = 0; i < 8; ++i) ends[8 * (u64)walker + i] = state[i];
}

POGW_TABLE(vram_walk, POGW_BLAKE3_ENTRIES POGW_ENTRY(vram_walk_first) POGW_ENTRY(vram_walk_second)
                          POGW_ENTRY(vram_walk_walk))
