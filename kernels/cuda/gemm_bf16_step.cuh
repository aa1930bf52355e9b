// One step of spec/gemm_bf16.md in integers: sixteen products and an accumulator, on any device.
//
// All values are of the specification's domain, which the host has seen to: no subnormals, no overflow.
#pragma once

#include "pogw.cuh"

enum : u32 { GEMM_BF16_GROUP = 16 };

// An operand taken apart: exponent field in the upper half, signed significand (7 fractional bits) in the lower.
// A zero has field 0; with the largest factor its product has exponent -73, which decides nothing.
POGW_INLINE i32 gemm_bf16_unpack(u16 bits) {
    const i32 field = (bits >> 7) & 0xff;
    const i32 magnitude = field == 0 ? 0 : 0x80 | (bits & 0x7f);
    const i32 significand = (bits & 0x8000) != 0 ? -magnitude : magnitude;
    return (i32)(((u32)field << 16) | ((u32)significand & 0xffffu));
}

// Exponent of a product, biased by 127 as that of an f32.
POGW_INLINE i32 gemm_bf16_exponent(i32 a, i32 b) { return (a >> 16) + (b >> 16) - 127; }

// A magnitude in units of 2^(exponent - 25), cut to units of 2^(top - 25), then given a sign.
POGW_INLINE i32 gemm_bf16_align(u32 magnitude, i32 exponent, i32 top, bool negative) {
    const i32 drop = top - exponent;
    const i32 kept = (i32)(magnitude >> (drop < 31 ? drop : 31));
    return negative ? -kept : kept;
}

// A product has 14 fractional bits; 25 are kept.
POGW_INLINE i32 gemm_bf16_term(i32 a, i32 b, i32 top) {
    const i32 product = (i32)(i16)a * (i32)(i16)b;
    const u32 magnitude = (u32)(product < 0 ? -product : product) << 11;
    return gemm_bf16_align(magnitude, gemm_bf16_exponent(a, b), top, product < 0);
}

POGW_INLINE i32 gemm_bf16_field(u32 c) { return (i32)(c >> 23) & 0xff; }

// The accumulator has 23 fractional bits.
POGW_INLINE i32 gemm_bf16_accumulator(u32 c, i32 top) {
    const i32 field = gemm_bf16_field(c);
    const u32 magnitude = field == 0 ? 0 : (0x00800000u | (c & 0x007fffffu)) << 2;
    return gemm_bf16_align(magnitude, field, top, (c >> 31) != 0);
}

// sum * 2^(top - 25), top biased, to f32 towards zero.
POGW_INLINE u32 gemm_bf16_round(i64 sum, i32 top) {
    if (sum == 0) return 0;
    const u32 magnitude = (u32)(sum < 0 ? -sum : sum);
    const i32 leading = 31 - __clz((i32)magnitude);
    const u32 fraction = leading > 23 ? magnitude >> (leading - 23) : magnitude << (23 - leading);
    const u32 field = (u32)(top - 25 + leading);
    return (sum < 0 ? 0x80000000u : 0u) | (field << 23) | (fraction & 0x007fffffu);
}

// One step: accumulator `c` as bits; `left` and `right` are 16 operands taken apart, each `stride` after the last.
POGW_INLINE u32 gemm_bf16_step(u32 c, const i32* left, u32 left_stride, const i32* right, u32 right_stride) {
    i32 top = gemm_bf16_field(c);
    for (u32 l = 0; l < GEMM_BF16_GROUP; ++l) {
        const i32 exponent = gemm_bf16_exponent(left[l * left_stride], right[l * right_stride]);
        top = exponent > top ? exponent : top;
    }
    // Sixteen products are below 2^31 in magnitude; the accumulator on top of them may not be.
    i32 products = 0;
    for (u32 l = 0; l < GEMM_BF16_GROUP; ++l) {
        products += gemm_bf16_term(left[l * left_stride], right[l * right_stride], top);
    }
    return gemm_bf16_round((i64)products + gemm_bf16_accumulator(c, top), top);
}
