// Streams of operands: src/operand_stream.rs and spec/scalar.md are the definition.
//
// In scope: Philox4x32-10, one element, 16 bytes at a time. Out of scope: seed and label to key (host, BLAKE3).
// Element e of a stream depends on e alone, so any thread may write any block, in any order.
#pragma once

#include "pogw.cuh"

// 16 bytes of a stream: four words, or 16 bytes in little-endian order.
struct PgBlock {
    u32 word[4];
};

// A stream as a kernel is handed it, in this order: Philox key, upper counter words.
struct PgStream {
    u32 key[2], counter_high[2];
};

POGW_INLINE PgStream pg_stream(u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    return PgStream{{key_0, key_1}, {high_0, high_1}};
}

POGW_INLINE PgBlock pg_philox(u32 c0, u32 c1, u32 c2, u32 c3, u32 k0, u32 k1) {
    const u32 m0 = 0xd2511f53u, m1 = 0xcd9e8d57u;
#if POGW_DEVICE
#pragma unroll
#endif
    for (int round = 0; round < 10; ++round) {
        const u32 next_0 = pg_mulhi_u32(m1, c2) ^ c1 ^ k0;
        const u32 next_2 = pg_mulhi_u32(m0, c0) ^ c3 ^ k1;
        c1 = m1 * c2;
        c3 = m0 * c0;
        c0 = next_0;
        c2 = next_2;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return PgBlock{{c0, c1, c2, c3}};
}

// Block q: int8 elements 16q to 16q + 15, words 4q to 4q + 3.
POGW_INLINE PgBlock pg_stream_block(const PgStream& s, u64 q) {
    return pg_philox((u32)q, (u32)(q >> 32), s.counter_high[0], s.counter_high[1], s.key[0], s.key[1]);
}

// ---- Words to numbers -----------------------------------------------------------------------------------------------

// The upper 24 bits as a multiple of 2^-24 in [0, 1); exact.
POGW_INLINE float pg_uniform(u32 word) { return pg_mul(pg_float_u32(word >> 8), 0x1p-24f); }

// The upper 24 bits, as a signed number, as a multiple of 2^-23 in [-1, 1); exact, never -0.
POGW_INLINE float pg_symmetric(u32 word) { return pg_mul(pg_float_i32((i32)word >> 8), 0x1p-23f); }

// ---- Elements -------------------------------------------------------------------------------------------------------

// Word i mod 4, by selection: an index known at run time would put the block into memory.
POGW_INLINE u32 pg_block_word(const PgBlock& block, u32 i) {
    const u32 low = (i & 1u) != 0 ? block.word[1] : block.word[0];
    const u32 high = (i & 1u) != 0 ? block.word[3] : block.word[2];
    return (i & 2u) != 0 ? high : low;
}
// Byte i mod 16.
POGW_INLINE i8 pg_block_i8(const PgBlock& block, u32 i) {
    return (i8)(pg_block_word(block, i >> 2) >> (8u * (i & 3u)));
}

POGW_INLINE i8 pg_stream_i8(const PgStream& s, u64 e) { return pg_block_i8(pg_stream_block(s, e >> 4), (u32)e & 15u); }
POGW_INLINE u32 pg_stream_word(const PgStream& s, u64 e) { return pg_block_word(pg_stream_block(s, e >> 2), (u32)e); }
POGW_INLINE float pg_stream_uniform(const PgStream& s, u64 e) { return pg_uniform(pg_stream_word(s, e)); }
POGW_INLINE float pg_stream_symmetric(const PgStream& s, u64 e) { return pg_symmetric(pg_stream_word(s, e)); }

// ---- Filling: one thread, one block ---------------------------------------------------------------------------------
//
// A tensor of `len` elements starts at `out`, aligned to 16 bytes. The thread of block q < pg_blocks_*(len) writes that
// block, whole in one 16-byte store, or what of it lies inside the tensor.

POGW_INLINE u64 pg_blocks_i8(u64 len) { return (len >> 4) + ((len & 15u) != 0 ? 1 : 0); }
POGW_INLINE u64 pg_blocks_f32(u64 len) { return (len >> 2) + ((len & 3u) != 0 ? 1 : 0); }

POGW_INLINE void pg_store_block(void* out, const PgBlock& block) {
#if POGW_DEVICE
    *reinterpret_cast<uint4*>(out) = make_uint4(block.word[0], block.word[1], block.word[2], block.word[3]);
#else
    __builtin_memcpy(out, block.word, sizeof block.word);
#endif
}

POGW_INLINE void pg_fill_i8(i8* out, u64 len, const PgStream& s, u64 q) {
    const PgBlock block = pg_stream_block(s, q);
    const u64 first = q << 4;
    if (len - first >= 16) {
        pg_store_block(out + first, block);
    } else {
        for (u32 i = 0; first + i < len; ++i) out[first + i] = pg_block_i8(block, i);
    }
}

POGW_INLINE void pg_fill_f32(float* out, u64 len, const PgBlock& bits, u64 q) {
    const u64 first = q << 2;
    if (len - first >= 4) {
        pg_store_block(out + first, bits);
    } else {
        for (u32 i = 0; first + i < len; ++i) out[first + i] = pg_from_bits(pg_block_word(bits, i));
    }
}

POGW_INLINE void pg_fill_uniform(float* out, u64 len, const PgStream& s, u64 q) {
    PgBlock block = pg_stream_block(s, q);
    for (int i = 0; i < 4; ++i) block.word[i] = pg_bits(pg_uniform(block.word[i]));
    pg_fill_f32(out, len, block, q);
}

POGW_INLINE void pg_fill_symmetric(float* out, u64 len, const PgStream& s, u64 q) {
    PgBlock block = pg_stream_block(s, q);
    for (int i = 0; i < 4; ++i) block.word[i] = pg_bits(pg_symmetric(block.word[i]));
    pg_fill_f32(out, len, block, q);
}
