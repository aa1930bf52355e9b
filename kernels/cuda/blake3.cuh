// BLAKE3, plain hash mode, of any number of bytes: the digest of operands and outputs, where they are.
//
// In scope: chaining values of chunks, the tree above them, the root. Every module includes this page and lists its two
// functions (POGW_BLAKE3_ENTRIES), so that one module computes and digests. src/device_digest.rs says which launches
// make a digest. Out of scope: keyed hashing, key derivation, outputs longer than 32 bytes.
//
// The tree of BLAKE3 splits off the largest power of two of chunks on the left. Level by level that is: neighbours
// merge, and one left over at the end of a level goes up as it is.
#pragma once

#include "pogw.cuh"

// ---- Compression ----------------------------------------------------------------------------------------------------

#define PG_BLAKE3_CHUNK 1024u
enum { PG_BLAKE3_CHUNK_START = 1, PG_BLAKE3_CHUNK_END = 2, PG_BLAKE3_PARENT = 4, PG_BLAKE3_ROOT = 8 };

// A chaining value. The initial one is that of SHA-256.
struct PgCv {
    u32 word[8];
};

POGW_INLINE PgCv pg_blake3_iv() {
    return PgCv{{0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u}};
}

POGW_INLINE u32 pg_rotr(u32 x, u32 n) { return (x >> n) | (x << (32u - n)); }

POGW_INLINE void pg_blake3_g(u32& a, u32& b, u32& c, u32& d, u32 x, u32 y) {
    a = a + b + x;
    d = pg_rotr(d ^ a, 16);
    c = c + d;
    b = pg_rotr(b ^ c, 12);
    a = a + b + y;
    d = pg_rotr(d ^ a, 8);
    c = c + d;
    b = pg_rotr(b ^ c, 7);
}

// One round, with the sixteen message words in the order of that round.
POGW_INLINE void pg_blake3_round(u32* v, u32 m0, u32 m1, u32 m2, u32 m3, u32 m4, u32 m5, u32 m6, u32 m7, u32 m8,
                                 u32 m9, u32 m10, u32 m11, u32 m12, u32 m13, u32 m14, u32 m15) {
    pg_blake3_g(v[0], v[4], v[8], v[12], m0, m1);
    pg_blake3_g(v[1], v[5], v[9], v[13], m2, m3);
    pg_blake3_g(v[2], v[6], v[10], v[14], m4, m5);
    pg_blake3_g(v[3], v[7], v[11], v[15], m6, m7);
    pg_blake3_g(v[0], v[5], v[10], v[15], m8, m9);
    pg_blake3_g(v[1], v[6], v[11], v[12], m10, m11);
    pg_blake3_g(v[2], v[7], v[8], v[13], m12, m13);
    pg_blake3_g(v[3], v[4], v[9], v[14], m14, m15);
}

// The chaining value after a block of 16 words, of which `len` bytes count.
POGW_INLINE PgCv pg_blake3_compress(const PgCv& cv, const u32* m, u64 counter, u32 len, u32 flags) {
    u32 v[16];
    const PgCv iv = pg_blake3_iv();
    for (int i = 0; i < 8; ++i) v[i] = cv.word[i];
    for (int i = 0; i < 4; ++i) v[8 + i] = iv.word[i];
    v[12] = (u32)counter;
    v[13] = (u32)(counter >> 32);
    v[14] = len;
    v[15] = flags;
    // Written out, so that every index is a constant and the words stay in registers.
    pg_blake3_round(v, m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], m[9], m[10], m[11], m[12], m[13], m[14], m[15]);
    pg_blake3_round(v, m[2], m[6], m[3], m[10], m[7], m[0], m[4], m[13], m[1], m[11], m[12], m[5], m[9], m[14], m[15], m[8]);
    pg_blake3_round(v, m[3], m[4], m[10], m[12], m[13], m[2], m[7], m[14], m[6], m[5], m[9], m[0], m[11], m[15], m[8], m[1]);
    pg_blake3_round(v, m[10], m[7], m[12], m[9], m[14], m[3], m[13], m[15], m[4], m[0], m[11], m[2], m[5], m[8], m[1], m[6]);
    pg_blake3_round(v, m[12], m[13], m[9], m[11], m[15], m[10], m[14], m[8], m[7], m[2], m[5], m[3], m[0], m[1], m[6], m[4]);
    pg_blake3_round(v, m[9], m[14], m[11], m[5], m[8], m[12], m[15], m[1], m[13], m[3], m[0], m[10], m[2], m[6], m[4], m[7]);
    pg_blake3_round(v, m[11], m[15], m[5], m[0], m[1], m[9], m[8], m[6], m[14], m[10], m[2], m[12], m[3], m[4], m[7], m[13]);
    PgCv out;
    for (int i = 0; i < 8; ++i) out.word[i] = v[i] ^ v[8 + i];
    return out;
}

POGW_INLINE PgCv pg_blake3_parent(const PgCv& left, const PgCv& right, u32 root_flag) {
    u32 m[16];
    for (int i = 0; i < 8; ++i) {
        m[i] = left.word[i];
        m[8 + i] = right.word[i];
    }
    return pg_blake3_compress(pg_blake3_iv(), m, 0, 64, PG_BLAKE3_PARENT | root_flag);
}

// ---- Chunks ---------------------------------------------------------------------------------------------------------

// 64 bytes as little-endian words, from anywhere.
POGW_INLINE void pg_blake3_load_block(u32* m, const u8* from) {
#if POGW_DEVICE
    const u64 at = reinterpret_cast<u64>(from);
    if ((at & 15u) == 0) {
        for (int i = 0; i < 4; ++i) {
            const uint4 words = reinterpret_cast<const uint4*>(from)[i];
            m[4 * i] = words.x;
            m[4 * i + 1] = words.y;
            m[4 * i + 2] = words.z;
            m[4 * i + 3] = words.w;
        }
        return;
    }
    for (int i = 0; i < 16; ++i) {
        const u8* p = from + 4 * i;
        m[i] = (u32)p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24;
    }
#else
    __builtin_memcpy(m, from, 64);
#endif
}

// `len` < 64 bytes, then zeros.
POGW_INLINE void pg_blake3_load_rest(u32* m, const u8* from, u32 len) {
    for (u32 i = 0; i < 16; ++i) {
        u32 word = 0;
        for (u32 j = 0; j < 4; ++j) {
            const u32 at = 4 * i + j;
            if (at < len) word |= (u32)from[at] << (8 * j);
        }
        m[i] = word;
    }
}

// The chaining value of chunk `index`, which has `len` <= 1024 bytes at `from`: 1024 but for the last chunk, 0 for the
// only chunk of an empty input. `root_flag` is PG_BLAKE3_ROOT if there is no other chunk.
POGW_INLINE PgCv pg_blake3_chunk(const u8* from, u32 len, u64 index, u32 root_flag) {
    PgCv cv = pg_blake3_iv();
    u32 m[16], at = 0, start = PG_BLAKE3_CHUNK_START;
    // One call for every block: each module carries this code, and its rounds are written out.
    for (;;) {
        const u32 left = len - at;
        const bool last = left <= 64;
        if (left >= 64) {
            pg_blake3_load_block(m, from + at);
        } else {
            pg_blake3_load_rest(m, from + at, left);
        }
        cv = pg_blake3_compress(cv, m, index, last ? left : 64, last ? start | PG_BLAKE3_CHUNK_END | root_flag : start);
        if (last) return cv;
        start = 0;
        at += 64;
    }
}

// ---- Kernels --------------------------------------------------------------------------------------------------------

POGW_INLINE void pg_blake3_store(u32* out, const PgCv& cv) {
    for (int i = 0; i < 8; ++i) out[i] = cv.word[i];
}

POGW_INLINE PgCv pg_blake3_fetch(const u32* from) {
    PgCv cv;
    for (int i = 0; i < 8; ++i) cv.word[i] = from[i];
    return cv;
}

// Chaining values of chunks `first` to `first + count - 1` of the `len` bytes at `data`, 8 words each, chunk c at
// `cvs + 8c`. One thread, one chunk. `alone` is PG_BLAKE3_ROOT where the chunk is the whole tree and its root is meant.
POGW_KERNEL blake3_chunks(const u8* data, u64 len, u64 first, u64 count, u32 alone, u32* cvs) {
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const u64 chunk = first + i;
    const u64 at = chunk * PG_BLAKE3_CHUNK;
    const u64 left = len - at;
    const u32 here = left < PG_BLAKE3_CHUNK ? (u32)left : PG_BLAKE3_CHUNK;
    pg_blake3_store(cvs + 8 * chunk, pg_blake3_chunk(data + at, here, chunk, alone));
}

// Nine levels of the tree: each block of 256 threads merges 512 chaining values (the last block: what is left) to one,
// block b from `from + 8 * 512 b` to `to + 8 b`. If there is one block only and at least two values, that is the root.
POGW_KERNEL blake3_parents(const u32* from, u64 count, u32* to) {
    __shared__ u32 level[256 * 8];
    const u32 t = threadIdx.x;
    const u64 first = (u64)blockIdx.x * 512u;
    u32 nodes = count - first < 512u ? (u32)(count - first) : 512u;
    const u32 only_block = gridDim.x == 1 ? PG_BLAKE3_ROOT : 0;
    const u32* values = from + 8 * first;
    PgCv cv = pg_blake3_iv();
    for (;;) {
        if (2 * t < nodes) {
            const u32* pair = values + 16 * t;
            cv = pg_blake3_fetch(pair);
            if (2 * t + 1 < nodes) cv = pg_blake3_parent(cv, pg_blake3_fetch(pair + 8), nodes == 2 ? only_block : 0);
        }
        nodes = (nodes + 1) / 2;
        if (nodes <= 1) break;
        __syncthreads();
        if (t < nodes) pg_blake3_store(level + 8 * t, cv);
        __syncthreads();
        values = level;
    }
    if (t == 0) pg_blake3_store(to + 8 * (u64)blockIdx.x, cv);
}

#define POGW_BLAKE3_ENTRIES POGW_ENTRY(blake3_chunks) POGW_ENTRY(blake3_parents)
