// Warp matrix instructions for int8 (PTX ISA 8.0, "mma", "ldmatrix"): 16x32 by 32x8, exact sums modulo 2^32.
//
// In scope: fragments from shared memory and one multiplication, by the 32 threads of a warp. Out of scope: where
// operands come from (gemm_i8_wide.cuh). Every device since Ampere has them, and integers leave nothing to a device: the
// sum of 32 products of int8 is exact, and adding it to an accumulator wraps as `+` does.
//
// The host has a twin of each, made of shuffles, so that a kernel's addresses and fragments can be tried. It is slow, and
// for tests alone.
#pragma once

#include "pogw.cuh"

// Four matrices of 8 rows of 16 bytes: lane l gives the address of row l % 8 of matrix l / 8, and receives of matrix i
// bytes 4 (l % 4) to 4 (l % 4) + 3 of row l / 4 as word i. Addresses are multiples of 16, in shared memory.
POGW_INLINE void pg_load_matrices(u32 (&words)[4], const u8* row) {
#if POGW_DEVICE
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"((u32)__cvta_generic_to_shared(row))
                 : "memory");
#else
    const u32 lane = threadIdx.y * blockDim.x + threadIdx.x;
    for (u32 i = 0; i < 4; ++i) {
        const u64 from = __shfl_sync(~0u, (u64)row, (int)(8 * i + lane % 32 / 4));
        __builtin_memcpy(&words[i], reinterpret_cast<const u8*>(from) + lane % 4 * 4, 4);
    }
#endif
}

// sums += a·b. Of lane l, with g = l / 4 and t = l % 4: a has of rows g and g + 8 bytes 4t to 4t + 3 of each half of k
// (row g, row g + 8, then the same of the second half); b has of column g the same bytes of each half; sums are of row g
// columns 2t and 2t + 1, then of row g + 8.
POGW_INLINE void pg_mma_i8(i32 (&sums)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if POGW_DEVICE
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    const u32 lane = (threadIdx.y * blockDim.x + threadIdx.x) % 32;
    for (u32 word = 0; word < 8; ++word) {
        const u32 half = word / 4, part = word % 4;
        for (u32 low = 0; low < 2; ++low) {
            const u32 left = __shfl_sync(~0u, a[2 * half + low], (int)(lane / 4 * 4 + part));
            for (u32 column = 0; column < 2; ++column) {
                const u32 right = __shfl_sync(~0u, b[half], (int)((lane % 4 * 2 + column) * 4 + part));
                sums[2 * low + column] = pg_dp4a(left, right, sums[2 * low + column]);
            }
        }
    }
#endif
}
