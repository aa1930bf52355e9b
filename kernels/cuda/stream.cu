// The kernel `stream`: spec/stream.md. One thread, four words.
#include "blake3.cuh"
#include "philox.cuh"

// An array from its seed: one thread, four words.
POGW_KERNEL stream_fill(u32* out, u64 len, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 q = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    const u64 first = 4 * q;
    if (first >= len) return;
    const PgBlock block = pg_stream_block(pg_stream(key_0, key_1, high_0, high_1), q);
    if (len - first >= 4) {
        pg_store_block(out + first, block);
    } else {
        for (u32 i = 0; first + i < len; ++i) out[first + i] = block.word[i];
    }
}

// to = left + scale * right, each of `len` words and aligned to 16 bytes.
POGW_KERNEL stream_pass(u32* to, const u32* left, const u32* right, u64 len, u32 scale) {
    const u64 first = 4 * ((u64)blockIdx.x * blockDim.x + threadIdx.x);
    if (first >= len) return;
    if (len - first >= 4) {
        const uint4 l = *reinterpret_cast<const uint4*>(left + first), r = *reinterpret_cast<const uint4*>(right + first);
        *reinterpret_cast<uint4*>(to + first) =
            make_uint4(l.x + scale * r.x, l.y + scale * r.y, l.z + scale * r.z, l.w + scale * r.w);
    } else {
        for (u64 i = first; i < len; ++i) to[i] = left[i] + scale * right[i];
    }
}

POGW_TABLE(stream, POGW_BLAKE3_ENTRIES POGW_ENTRY(stream_fill) POGW_ENTRY(stream_pass))
