// Warpgroup matrix instructions of Hopper (PTX ISA 8.0, "Asynchronous Warpgroup Level Matrix Instructions").
//
// In scope: m64n128k16 of bf16 with f32 accumulators, both operands in shared memory without swizzle, A's elements side
// by side along k, B's along its columns, as row-major matrices have them; and asynchronous copies into shared memory.
//
// The host has a twin that reads shared memory and spreads accumulators over threads as the PTX document says, so that a
// kernel's addresses and barriers can be tried; what the instruction computes it takes from gemm_bf16_step.cuh, so it
// says nothing about the arithmetic of the hardware. That a Hopper computes the same is for the hardware tests.
#pragma once

#include "gemm_bf16_step.cuh"

enum : u32 {
    WGMMA_M = 64,           // rows of D, in a warpgroup of 128 threads
    WGMMA_N = 128,          // columns of D
    WGMMA_K = 16,
    WGMMA_ACCUMULATORS = 64 // of a thread
};

// How an operand lies in shared memory: core matrices of 8 lines (rows of A, columns of B) by 8 elements along k, 128
// bytes each. A's ("K-major") are its lines one after another, B's ("MN-major") its elements of each k one after another.
// Bytes from one core matrix to the next along k ("leading dimension"), and to the next 8 lines ("stride dimension").
struct WgmmaLayout {
    u32 next_k, next_lines;
};

// Row and column in D of accumulator `at` of a thread: a warp has 16 rows, a thread two of them.
POGW_INLINE u32 wgmma_row(u32 thread, u32 at) { return thread % 128 / 32 * 16 + thread % 32 / 4 + at / 2 % 2 * 8; }
POGW_INLINE u32 wgmma_column(u32 thread, u32 at) { return at / 4 * 8 + thread % 4 * 2 + at % 2; }

#if POGW_DEVICE

// The matrix descriptor of an operand that starts at `first`: addresses and offsets in units of 16 bytes, no swizzle.
POGW_INLINE u64 wgmma_descriptor(const u8* first, WgmmaLayout layout) {
    const u32 address = (u32)__cvta_generic_to_shared(first);
    return (u64)((address & 0x3ffffu) >> 4) | ((u64)(layout.next_k >> 4) << 16) | ((u64)(layout.next_lines >> 4) << 32);
}

// Writes of this thread to shared memory become visible to the tensor cores, which read it by another path.
POGW_INLINE void wgmma_publish() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Accumulators that this thread wrote may be used by the instructions that follow.
POGW_INLINE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

// Ends the group of instructions issued.
POGW_INLINE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Waits for all groups.
POGW_INLINE void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory"); }

// Begins to copy 16 bytes to shared memory; zeros where not `there`, and nothing is read. Both at multiples of 16.
POGW_INLINE void wgmma_copy(u8* to, const void* from, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((u32)__cvta_generic_to_shared(to)), "l"(from),
                 "r"(there ? 16 : 0)
                 : "memory");
}

// Ends the group of copies begun by this thread.
POGW_INLINE void wgmma_copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for all groups of copies but the last.
POGW_INLINE void wgmma_copies_wait_but_one() { asm volatile("cp.async.wait_group 1;" ::: "memory"); }

// d = d + a·b for 64x16 a, 16x128 b: D added (predicate 1), no operand negated, A K-major, B MN-major.
POGW_INLINE void wgmma_step(float (&d)[WGMMA_ACCUMULATORS], const u8* a, WgmmaLayout a_layout, const u8* b,
                            WgmmaLayout b_layout) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, "
        "%8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, "
        "%24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, "
        "%40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, "
        "%56, %57, %58, %59, %60, %61, %62, %63"
        "}, %64, %65, 1, 1, 1, 0, 1;"
        :
          "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
          "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
          "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
          "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
          "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
          "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
          "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
          "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
        : "l"(wgmma_descriptor(a, a_layout)), "l"(wgmma_descriptor(b, b_layout))
        : "memory");
}

#else

POGW_INLINE void wgmma_publish() {}
POGW_INLINE void wgmma_fence() {}
POGW_INLINE void wgmma_commit() {}
POGW_INLINE void wgmma_wait() {}
POGW_INLINE void wgmma_copies_commit() {}
POGW_INLINE void wgmma_copies_wait_but_one() {}
POGW_INLINE void wgmma_copy(u8* to, const void* from, bool there) {
    if (there) {
        __builtin_memcpy(to, from, 16);
    } else {
        __builtin_memset(to, 0, 16);
    }
}

// The 16 elements along k of a line, taken apart; bytes from one line to the next, and along k, within a core matrix.
POGW_INLINE void wgmma_read_line(const u8* operand, WgmmaLayout layout, u32 next_line, u32 next, u32 line, i32* elements) {
    for (u32 l = 0; l < WGMMA_K; ++l) {
        u16 bits;
        const u32 core = line / 8 * layout.next_lines + l / 8 * layout.next_k;
        __builtin_memcpy(&bits, operand + core + line % 8 * next_line + l % 8 * next, sizeof bits);
        elements[l] = gemm_bf16_unpack(bits);
    }
}

POGW_INLINE void wgmma_step(float (&d)[WGMMA_ACCUMULATORS], const u8* a, WgmmaLayout a_layout, const u8* b,
                            WgmmaLayout b_layout) {
    for (u32 at = 0; at < WGMMA_ACCUMULATORS; ++at) {
        i32 left[WGMMA_K], right[WGMMA_K];
        wgmma_read_line(a, a_layout, 16, 2, wgmma_row(threadIdx.x, at), left);
        wgmma_read_line(b, b_layout, 2, 16, wgmma_column(threadIdx.x, at), right);
        d[at] = pg_from_bits(gemm_bf16_step(pg_bits(d[at]), left, 1, right, 1));
    }
}

#endif
