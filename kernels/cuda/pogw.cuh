// Types, kernel macros and scalar maths of every kernel. spec/scalar.md is the definition, src/scalar/ the Rust twin.
//
// In scope: what one thread computes from a few numbers. Out of scope: streams of operands (philox.cuh), digests
// (blake3.cuh), threads, barriers and launches (the device, or host/cuda_host.h).
//
// Kernels use the `pg_` functions alone: no `+` on floats, no `expf`, no `fmaxf`. A compiler may contract, reassociate
// or replace those; here each function is one rounding or a fixed sequence of them, the same on every machine.
#pragma once

#if defined(__CUDA__) || defined(__CUDACC__)
#define POGW_DEVICE 1
#else
#define POGW_DEVICE 0
#endif

#if defined(__FAST_MATH__)
#error "kernels are exactly specified: -ffast-math would change their results"
#endif

typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;

// A helper of kernels: `POGW_INLINE float f(float x)`, and one that is a member: `POGW_MEMBER float f()`.
#if POGW_DEVICE
#define POGW_INLINE static __device__ __forceinline__
#define POGW_MEMBER __device__ __forceinline__
#else
#define POGW_INLINE static inline __attribute__((unused))
#define POGW_MEMBER inline
#endif

// POGW_KERNEL begins a kernel function. POGW_TABLE names a module's functions at the end of its file, so that the host
// can launch them by name; a device module carries its names itself.
#if POGW_DEVICE
#define POGW_KERNEL extern "C" __global__ void
#define POGW_TABLE(module, entries)
#define POGW_ENTRY(function)
#else
#define POGW_KERNEL static void
// POGW_SCALAR_ONLY: a host program that calls the functions below and launches nothing.
#if !defined(POGW_SCALAR_ONLY)
#include "cuda_host.h"
#endif
#endif

// ---- Bits -----------------------------------------------------------------------------------------------------------

POGW_INLINE u32 pg_bits(float x) {
#if POGW_DEVICE
    return __float_as_uint(x);
#else
    u32 bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
#endif
}

POGW_INLINE float pg_from_bits(u32 bits) {
#if POGW_DEVICE
    return __uint_as_float(bits);
#else
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
#endif
}

// ---- Operations of IEEE 754, rounded to nearest, ties to even -------------------------------------------------------

#if POGW_DEVICE
POGW_INLINE float pg_fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
POGW_INLINE float pg_add(float a, float b) { return __fadd_rn(a, b); }
POGW_INLINE float pg_sub(float a, float b) { return __fsub_rn(a, b); }
POGW_INLINE float pg_mul(float a, float b) { return __fmul_rn(a, b); }
POGW_INLINE float pg_div(float a, float b) { return __fdiv_rn(a, b); }
POGW_INLINE float pg_sqrt(float x) { return __fsqrt_rn(x); }
#else
// Hides where a value came from, so that no compiler option fuses the operation before with the one after
// (-ffp-contract=fast with hardware FMA fuses across inlined functions). It costs no instruction.
POGW_INLINE float pg_rounded(float x) {
#if defined(__x86_64__)
    __asm__("" : "+x"(x));
    return x;
#elif defined(__aarch64__)
    __asm__("" : "+w"(x));
    return x;
#else
    volatile float stored = x;
    return stored;
#endif
}
// Without hardware FMA this calls the C library's fmaf, which rounds once as well but takes tens of times as long.
POGW_INLINE float pg_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
POGW_INLINE float pg_add(float a, float b) { return pg_rounded(a + b); }
POGW_INLINE float pg_sub(float a, float b) { return pg_rounded(a - b); }
POGW_INLINE float pg_mul(float a, float b) { return pg_rounded(a * b); }
POGW_INLINE float pg_div(float a, float b) { return pg_rounded(a / b); }
POGW_INLINE float pg_sqrt(float x) { return pg_rounded(__builtin_sqrtf(x)); }
#endif

// To the nearest integer, ties to even.
POGW_INLINE float pg_rint(float x) {
#if POGW_DEVICE
    return rintf(x);
#else
    return __builtin_rintf(x);
#endif
}

// To the largest integer not above x.
POGW_INLINE float pg_floor(float x) {
#if POGW_DEVICE
    return floorf(x);
#else
    return __builtin_floorf(x);
#endif
}

POGW_INLINE float pg_neg(float x) { return pg_from_bits(pg_bits(x) ^ 0x80000000u); }
POGW_INLINE float pg_abs(float x) { return pg_from_bits(pg_bits(x) & 0x7fffffffu); }

// ---- NaN, infinity, zero --------------------------------------------------------------------------------------------

// The one NaN that functions of this page return.
POGW_INLINE float pg_nan() { return pg_from_bits(0x7fc00000u); }
POGW_INLINE float pg_inf() { return pg_from_bits(0x7f800000u); }
POGW_INLINE bool pg_is_nan(float x) { return (pg_bits(x) & 0x7fffffffu) > 0x7f800000u; }
POGW_INLINE bool pg_is_finite(float x) { return (pg_bits(x) & 0x7fffffffu) < 0x7f800000u; }

// Compare and select: where neither is greater (equal, zeros of either sign, a NaN) the answer is b.
POGW_INLINE float pg_max(float a, float b) { return a > b ? a : b; }
POGW_INLINE float pg_min(float a, float b) { return a < b ? a : b; }
// A NaN gives low.
POGW_INLINE float pg_clamp(float x, float low, float high) { return pg_min(pg_max(x, low), high); }

// -0 becomes +0; everything else stays.
POGW_INLINE float pg_canon(float x) { return pg_bits(x) == 0x80000000u ? 0.0f : x; }
// y, or the one NaN where x is a NaN. Chosen among bits, not numbers: to a compiler one NaN is as good as another.
POGW_INLINE float pg_unless_nan(float x, float y) {
    const u32 bits = pg_bits(y);
    return pg_from_bits(pg_is_nan(x) ? 0x7fc00000u : bits);
}
// A NaN becomes the one NaN; everything else stays.
POGW_INLINE float pg_one_nan(float x) { return pg_unless_nan(x, x); }
// What may be written to an output: NaN becomes +0, an infinity the largest number of its sign, -0 becomes +0.
POGW_INLINE float pg_output(float x) {
    const float largest = pg_from_bits(0x7f7fffffu);
    return pg_is_nan(x) ? 0.0f : pg_canon(pg_clamp(x, -largest, largest));
}

// ---- Between numbers and integers -----------------------------------------------------------------------------------

// Towards zero; saturates; a NaN gives 0. Clamped first, because C++ leaves other conversions undefined.
POGW_INLINE i32 pg_i32(float x) {
    const i32 inside = (i32)pg_clamp(x, -2147483648.0f, 2147483520.0f);
    return pg_is_nan(x) ? 0 : x >= 2147483648.0f ? 2147483647 : inside;
}
POGW_INLINE u32 pg_u32(float x) {
    const u32 inside = (u32)pg_clamp(x, 0.0f, 4294967040.0f);
    return x >= 4294967296.0f ? 0xffffffffu : inside;
}
// To the nearest, ties to even; saturates; a NaN gives 0.
POGW_INLINE i8 pg_i8_nearest(float x) {
    return pg_is_nan(x) ? (i8)0 : (i8)(i32)pg_rint(pg_clamp(x, -128.0f, 127.0f));
}
POGW_INLINE u8 pg_u8_nearest(float x) { return (u8)(u32)pg_rint(pg_clamp(x, 0.0f, 255.0f)); }
// To the nearest f32, ties to even.
#if POGW_DEVICE
POGW_INLINE float pg_float_i32(i32 x) { return __int2float_rn(x); }
POGW_INLINE float pg_float_u32(u32 x) { return __uint2float_rn(x); }
#else
POGW_INLINE float pg_float_i32(i32 x) { return (float)x; }
POGW_INLINE float pg_float_u32(u32 x) { return (float)x; }
#endif

// ---- Exponential family ---------------------------------------------------------------------------------------------

// 2^n for -126 <= n <= 127.
POGW_INLINE float pg_power_of_two(i32 n) { return pg_from_bits((u32)(n + 127) << 23); }

// e^x.
POGW_INLINE float pg_exp(float x) {
    const float v = pg_clamp(x, -104.0f, 89.0f);
    const float n = pg_rint(pg_mul(v, 0x1.715476p+0f));
    const float r = pg_fma(n, 0x1.05c610p-29f, pg_fma(n, -0x1.62e430p-1f, v));
    float q = 0x1.6ac322p-10f;
    q = pg_fma(q, r, 0x1.123ec2p-7f);
    q = pg_fma(q, r, 0x1.555850p-5f);
    q = pg_fma(q, r, 0x1.55548ap-3f);
    q = pg_fma(q, r, 0x1.fffffcp-2f);
    const float p = pg_add(pg_fma(pg_mul(r, r), q, r), 1.0f);
    // 2^n in two factors: the first product is exact, the second rounds where the result is subnormal or infinite.
    const i32 whole = (i32)n;
    const i32 half = whole >> 1;
    const float y = pg_mul(pg_mul(p, pg_power_of_two(half)), pg_power_of_two(whole - half));
    return pg_unless_nan(x, y);
}

// Keeps the sign of zero.
POGW_INLINE float pg_tanh(float x) {
    const float a = pg_abs(x);
    const float z = pg_mul(a, a);
    float q = -0x1.750ce4p-8f;
    q = pg_fma(q, z, 0x1.51f8cep-6f);
    q = pg_fma(q, z, -0x1.b835a4p-5f);
    q = pg_fma(q, z, 0x1.1106f6p-3f);
    q = pg_fma(q, z, -0x1.555532p-2f);
    const float near = pg_fma(pg_mul(a, z), q, a);
    const float far = pg_sub(1.0f, pg_div(2.0f, pg_add(pg_exp(pg_mul(2.0f, a)), 1.0f)));
    const float y = a < 0.625f ? near : far;
    return pg_unless_nan(x, pg_from_bits(pg_bits(y) | (pg_bits(x) & 0x80000000u)));
}

// 1 / (1 + exp(-x)).
POGW_INLINE float pg_sigmoid(float x) {
    const float e = pg_exp(pg_neg(pg_abs(x)));
    return pg_one_nan(pg_div(x < 0.0f ? e : 1.0f, pg_add(1.0f, e)));
}

// x * sigmoid(x).
POGW_INLINE float pg_silu(float x) { return pg_one_nan(pg_mul(x, pg_sigmoid(x))); }

// x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))), as x * sigmoid of twice that argument.
POGW_INLINE float pg_gelu(float x) {
    const float u = pg_mul(x, pg_fma(pg_mul(x, x), 0x1.2444f2p-4f, 0x1.988454p+0f));
    return pg_one_nan(pg_mul(x, pg_sigmoid(u)));
}

// ---- Reciprocal square root -----------------------------------------------------------------------------------------

// 1 / sqrt(x) without a division or a root. A zero gives +inf, +inf gives +0, what is below zero the one NaN.
POGW_INLINE float pg_rsqrt(float x) {
    const bool subnormal = x < 0x1p-126f;
    const float v = subnormal ? pg_mul(x, 0x1p+24f) : x;
    float y = pg_from_bits(0x5f3759dfu - (pg_bits(v) >> 1));
    float h = pg_mul(v, y);
    float e = pg_fma(pg_neg(h), y, 1.0f);
    y = pg_fma(pg_mul(y, e), pg_fma(0.375f, e, 0.5f), y);
    h = pg_mul(v, y);
    const float rest = pg_fma(v, y, pg_neg(h));
    e = pg_fma(pg_neg(rest), y, pg_fma(pg_neg(h), y, 1.0f));
    y = pg_fma(pg_mul(y, e), pg_fma(0.375f, e, 0.5f), y);
    y = subnormal ? pg_mul(y, 0x1p+12f) : y;
    if (x == pg_inf()) return 0.0f;
    if (x == 0.0f) return pg_inf();
    return x > 0.0f ? y : pg_nan();
}

// ---- Sine and cosine ------------------------------------------------------------------------------------------------

struct PgSinCos {
    float sin, cos;
};

// From sine and cosine within an eighth of a turn to those `quarters` quarter turns further. Never -0. By selection, so
// that threads do not part ways.
POGW_INLINE PgSinCos pg_turn_quarters(u32 quarters, float s, float c) {
    const float sine = (quarters & 1u) != 0 ? c : s;
    const float cosine = (quarters & 1u) != 0 ? s : c;
    return PgSinCos{(quarters & 2u) != 0 ? pg_sub(0.0f, sine) : sine,
                    ((quarters + 1u) & 2u) != 0 ? pg_sub(0.0f, cosine) : cosine};
}

// Of an angle in radians, -131072 <= x <= 131072; beyond, and for a NaN, both are the one NaN.
POGW_INLINE PgSinCos pg_sincos(float x) {
    const bool inside = pg_abs(x) <= 131072.0f;
    const float v = inside ? x : 0.0f;
    const float n = pg_rint(pg_mul(v, 0x1.45f306p-1f));
    float r = pg_fma(n, -0x1.921fb6p+0f, v);
    r = pg_fma(n, 0x1.777a5cp-25f, r);
    r = pg_fma(n, 0x1.ee59dap-50f, r);
    const float z = pg_mul(r, r);
    float s = pg_fma(-0x1.990f92p-13f, z, 0x1.1106aep-7f);
    s = pg_fma(s, z, -0x1.555544p-3f);
    s = pg_fma(pg_mul(r, z), s, r);
    float c = pg_fma(0x1.99911cp-16f, z, -0x1.6c0af4p-10f);
    c = pg_fma(c, z, 0x1.555548p-5f);
    c = pg_fma(pg_fma(c, z, -0.5f), z, 1.0f);
    const PgSinCos nan = {pg_nan(), pg_nan()};
    return inside ? pg_turn_quarters((u32)(i32)n, s, c) : nan;
}

// Of t / 2^32 turns. Every t is meant; reduction is exact.
POGW_INLINE PgSinCos pg_sincos_turn(u32 t) {
    const u32 quarters = (t + 0x20000000u) >> 30;
    const float f = pg_mul(pg_float_i32((i32)(t - (quarters << 30))), 0x1p-30f);
    const float z = pg_mul(f, f);
    float s = pg_fma(0x1.443a9ap-13f, z, -0x1.32adaap-8f);
    s = pg_fma(s, z, 0x1.466b78p-4f);
    s = pg_fma(s, z, -0x1.4abbcep-1f);
    s = pg_fma(s, z, -0x1.777a5cp-25f);
    s = pg_fma(f, 0x1.921fb6p+0f, pg_mul(f, s));
    float c = pg_fma(0x1.d4f7eep-11f, z, -0x1.55b2b6p-6f);
    c = pg_fma(c, z, 0x1.03c1b0p-2f);
    c = pg_fma(c, z, -0x1.3bd3ccp+0f);
    c = pg_fma(c, z, 1.0f);
    return pg_turn_quarters(quarters, s, c);
}

POGW_INLINE float pg_sin(float x) { return pg_sincos(x).sin; }
POGW_INLINE float pg_cos(float x) { return pg_sincos(x).cos; }

// ---- Integers -------------------------------------------------------------------------------------------------------

// High halves of products.
#if POGW_DEVICE
POGW_INLINE u32 pg_mulhi_u32(u32 a, u32 b) { return __umulhi(a, b); }
POGW_INLINE i32 pg_mulhi_i32(i32 a, i32 b) { return __mulhi(a, b); }
POGW_INLINE u64 pg_mulhi_u64(u64 a, u64 b) { return __umul64hi(a, b); }
#else
POGW_INLINE u32 pg_mulhi_u32(u32 a, u32 b) { return (u32)(((u64)a * b) >> 32); }
POGW_INLINE i32 pg_mulhi_i32(i32 a, i32 b) { return (i32)(((i64)a * b) >> 32); }
__extension__ typedef unsigned __int128 pg_u128;
POGW_INLINE u64 pg_mulhi_u64(u64 a, u64 b) { return (u64)(((pg_u128)a * b) >> 64); }
#endif

// c + the sum of the four products of int8 (byte j of a times byte j of b), modulo 2^32.
POGW_INLINE i32 pg_dp4a(u32 a, u32 b, i32 c) {
#if POGW_DEVICE
    i32 d;
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
#else
    u32 sum = (u32)c;
    for (int shift = 0; shift < 32; shift += 8) sum += (u32)((i32)(i8)(a >> shift) * (i32)(i8)(b >> shift));
    return (i32)sum;
#endif
}

// v / 2^shift to the nearest integer, ties to even. A shift above 62 counts as 62.
POGW_INLINE i64 pg_shift_even(i64 v, u32 shift) {
    const u32 s = shift < 62u ? shift : 62u;
    const u64 one = 1;
    const i64 floor = v >> s;
    const u64 rest = (u64)v & ((one << s) - 1);
    const u64 half = (one << s) >> 1;
    const bool up = s != 0 && (rest > half || (rest == half && (floor & 1) != 0));
    return floor + (up ? 1 : 0);
}

POGW_INLINE i8 pg_clamp_i8(i64 v) { return (i8)(v < -128 ? -128 : v > 127 ? 127 : v); }

// acc * multiplier / 2^shift to the nearest, ties to even, clamped to int8.
POGW_INLINE i8 pg_requant(i32 acc, i32 multiplier, u32 shift) {
    return pg_clamp_i8(pg_shift_even((i64)acc * (i64)multiplier, shift));
}
