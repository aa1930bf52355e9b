// Writes the results of cuda/pogw.cuh and cuda/philox.cuh for a stream of inputs, as 32-bit words, to standard output.
// suite/option_sets.rs computes the same from the Rust twin. Arguments: the four words of a stream, in decimal.
#include <cstdio>
#include <cstdlib>
#include <vector>

#define POGW_SCALAR_ONLY
#include "philox.cuh"

static std::vector<u32> words;

static void put(u32 word) { words.push_back(word); }
static void put(i32 word) { words.push_back((u32)word); }
// The bits of a NaN out of a plain operation are the machine's affair.
static void put_plain(float x) { words.push_back(pg_bits(pg_one_nan(x))); }
static void put(float x) { words.push_back(pg_bits(x)); }

// x, y, z: any bits, or numbers near 1.
static void operations(float x, float y, float z) {
    put_plain(pg_fma(x, y, z));
    put_plain(pg_add(x, y));
    put_plain(pg_sub(x, y));
    put_plain(pg_mul(x, y));
    put_plain(pg_div(x, y));
    put_plain(pg_sqrt(x));
// A product that occurs nowhere else, so that a compiler which may fuse it has no reason not to.
#if defined(PLAIN_ARITHMETIC)
    put_plain(x * z + y);
#else
    put_plain(pg_add(pg_mul(x, z), y));
#endif
    put_plain(pg_rint(x));
    put_plain(pg_floor(x));
    put_plain(pg_min(x, y));
    put_plain(pg_max(x, y));
    put_plain(pg_clamp(x, -1.0f, 1.0f));
    put_plain(pg_canon(x));
    put(pg_output(x));
    put(pg_i32(x));
    put(pg_u32(x));
    put((i32)pg_i8_nearest(x));
    put((i32)pg_u8_nearest(x));
}

static void functions(float x) {
    put(pg_exp(x));
    put(pg_tanh(x));
    put(pg_sigmoid(x));
    put(pg_silu(x));
    put(pg_gelu(x));
    put(pg_rsqrt(x));
    put(pg_sin(x));
    put(pg_cos(x));
}

static void integers(u32 a, u32 b, u32 c) {
    const PgSinCos turn = pg_sincos_turn(a);
    put(turn.sin);
    put(turn.cos);
    put(pg_float_i32((i32)a));
    put(pg_float_u32(a));
    put(pg_mulhi_u32(a, b));
    put(pg_mulhi_i32((i32)a, (i32)b));
    const u64 wide = pg_mulhi_u64(((u64)a << 32) | b, ((u64)b << 32) | c);
    put((u32)wide);
    put((u32)(wide >> 32));
    put(pg_dp4a(a, b, (i32)c));
    const i64 shifted = pg_shift_even((i64)(((u64)a << 32) | b), c & 63u);
    put((u32)shifted);
    put((u32)((u64)shifted >> 32));
    // Few bits set at the end: ties occur.
    put((u32)pg_shift_even((i64)(i32)(a & 0xff0000f0u), c & 7u));
    put((i32)pg_requant((i32)a >> 8, (i32)b, 40u + (c & 15u)));
}

static void streams(const PgStream& s) {
    // Lengths with and without a rest, kept apart by guards that nothing may touch.
    for (u64 len : {1u, 15u, 16u, 17u, 63u, 64u}) {
        alignas(16) i8 bytes[80] = {};
        for (u64 q = 0; q < pg_blocks_i8(len); ++q) pg_fill_i8(bytes, len, s, q);
        for (i8 byte : bytes) put((i32)byte);
        alignas(16) float uniform[80] = {}, symmetric[80] = {};
        for (u64 q = 0; q < pg_blocks_f32(len); ++q) pg_fill_uniform(uniform, len, s, q);
        for (u64 q = 0; q < pg_blocks_f32(len); ++q) pg_fill_symmetric(symmetric, len, s, q);
        for (float x : uniform) put(x);
        for (float x : symmetric) put(x);
    }
    for (u64 e : {0ull, 45ull, 1ull << 40, ~0ull}) {
        put((i32)pg_stream_i8(s, e));
        put(pg_stream_word(s, e));
        put(pg_stream_uniform(s, e));
        put(pg_stream_symmetric(s, e));
    }
}

int main(int, char** argv) {
    u32 word[4];
    for (int i = 0; i < 4; ++i) word[i] = (u32)std::strtoul(argv[i + 1], nullptr, 10);
    const PgStream s = pg_stream(word[0], word[1], word[2], word[3]);
    for (u64 i = 0; i < 65536; ++i) {
        u32 bits[3];
        float any[3], near[3];
        for (int j = 0; j < 3; ++j) {
            bits[j] = pg_stream_word(s, 3 * i + j);
            any[j] = pg_from_bits(bits[j]);
            near[j] = pg_mul(16.0f, pg_symmetric(bits[j]));
        }
        operations(any[0], any[1], any[2]);
        operations(near[0], near[1], near[2]);
        functions(any[0]);
        functions(near[0]);
        functions(pg_mul(near[1], 8.0f));
        integers(bits[0], bits[1], bits[2]);
    }
    streams(s);
    return std::fwrite(words.data(), 4, words.size(), stdout) == words.size() ? 0 : 1;
}
