// Kernels that try the host execution itself. No part of any release: compiled with feature `host-tests` alone.

#include "cuda_host.h"

// Each thread its own number, by its place in the grid.
POGW_KERNEL host_test_iota(uint32_t* out, uint32_t n) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        out[i] = i;
    }
}

// The sum of a block's 256 elements, by a tree with a barrier at each level.
POGW_KERNEL host_test_block_sum(const uint32_t* in, uint32_t* out) {
    __shared__ uint32_t sums[256];
    const uint32_t t = threadIdx.x;
    sums[t] = in[uint64_t(blockIdx.x) * 256 + t];
    for (uint32_t half = 128; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) {
            sums[t] += sums[t + half];
        }
    }
    if (t == 0) {
        out[blockIdx.x] = sums[0];
    }
}

// The same sum without the barrier after the load: right when threads run in their natural order up to each barrier,
// wrong in others.
POGW_KERNEL host_test_missing_barrier(const uint32_t* in, uint32_t* out) {
    __shared__ uint32_t copy[256];
    const uint32_t t = threadIdx.x;
    copy[t] = in[uint64_t(blockIdx.x) * 256 + t];
    if (t == 255) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < 256; ++i) {
            sum += copy[i];
        }
        out[blockIdx.x] = sum;
    }
    __syncthreads();
    copy[t] = 0;
}

// One thread a block, which counts on what the block before it wrote: right in the natural order of blocks alone.
POGW_KERNEL host_test_block_chain(uint32_t* out) {
    out[blockIdx.x + 1] = out[blockIdx.x] + 1;
}

// The sum of a block's elements by shuffles inside warps, for any block of whole warps.
POGW_KERNEL host_test_warp_sum(const uint32_t* in, uint32_t* out) {
    __shared__ uint32_t sums[32];
    const uint32_t t = threadIdx.x;
    uint32_t sum = in[uint64_t(blockIdx.x) * blockDim.x + t];
    for (int step = 16; step > 0; step /= 2) {
        sum += __shfl_xor_sync(~0u, sum, step);
    }
    if (t % 32 == 0) {
        sums[t / 32] = sum;
    }
    __syncthreads();
    if (t < 32) {
        sum = t < blockDim.x / 32 ? sums[t] : 0;
        for (uint32_t step = 16; step > 0; step /= 2) {
            sum += __shfl_down_sync(~0u, sum, step);
        }
        if (t == 0) {
            out[blockIdx.x] = sum;
        }
    }
}

// For each of 32 lanes, eight words: what each shuffle and vote gives.
POGW_KERNEL host_test_warp_ops(uint32_t* out) {
    const uint32_t t = threadIdx.x;
    uint32_t* own = out + 8 * t;
    own[0] = __shfl_sync(~0u, 100 + t, 5);
    own[1] = __shfl_sync(~0u, 100 + t, 5, 8);
    own[2] = __shfl_xor_sync(~0u, 100 + t, 3);
    own[3] = __shfl_up_sync(~0u, 100 + t, 2, 16);
    own[4] = __shfl_down_sync(~0u, 100 + t, 2, 16);
    own[5] = __ballot_sync(~0u, t % 3 == 0);
    own[6] = uint32_t(__any_sync(~0u, t == 31)) + 2 * uint32_t(__all_sync(~0u, t < 32))
           + 4 * uint32_t(__any_sync(~0u, t > 31)) + 8 * uint32_t(__all_sync(~0u, t < 31));
    const uint32_t half = t < 16 ? 0x0000ffffu : 0xffff0000u;
    own[7] = t < 16 ? __shfl_xor_sync(half, t, 1) : __shfl_xor_sync(half, 2 * t, 1);
}

// The intrinsics, one word each, of the same two arguments.
POGW_KERNEL host_test_intrinsics(uint32_t* out, uint64_t* wide, uint32_t a, uint32_t b, uint64_t c) {
    out[0] = __byte_perm(a, b, 0x7520);
    out[1] = __byte_perm(a, b, 0x000b);
    out[2] = __funnelshift_l(a, b, 36);
    out[3] = __funnelshift_r(a, b, 36);
    out[4] = __umulhi(a, b);
    out[5] = uint32_t(__popc(a));
    out[6] = uint32_t(__clz(a >> 5));
    out[7] = uint32_t(__clz(0));
    out[8] = __brev(a);
    out[9] = __ldg(out);
    wide[0] = __umul64hi(c, c);
}

// All atomics at once: out[0] += 1, out[1] = max, out[2] = min, out[3] |= bit.
POGW_KERNEL host_test_atomics(uint32_t* out, uint64_t* wide, int32_t* low) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&out[0], 1);
    atomicMax(&out[1], i);
    atomicMin(&out[2], i);
    atomicOr(&out[3], 1u << (i % 32));
    atomicAdd(wide, uint64_t(1) << 32);
    atomicMin(low, -int32_t(i));
}

// One argument of each type, as bits.
POGW_KERNEL host_test_arguments(uint64_t* out, uint32_t a, uint64_t b, int32_t c, float d) {
    out[0] = a;
    out[1] = b;
    out[2] = uint64_t(int64_t(c));
    uint32_t bits;
    memcpy(&bits, &d, sizeof bits);
    out[3] = bits;
}

// Each thread writes its place in a grid and a block of three dimensions.
POGW_KERNEL host_test_places(uint32_t* out) {
    const uint32_t block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const uint32_t thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const uint32_t i = block * blockDim.x * blockDim.y * blockDim.z + thread;
    out[i] = blockIdx.z << 20 | blockIdx.y << 16 | blockIdx.x << 12 | threadIdx.z << 8 | threadIdx.y << 4 | threadIdx.x;
}

// Floating point where a fused multiply-add, a flushed subnormal or another rounding would show.
POGW_KERNEL host_test_floats(const float* in, float* out, uint32_t n) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        const float x = in[i];
        out[4 * i] = x * x - 1.0f;
        out[4 * i + 1] = __builtin_fmaf(x, x, -1.0f);
        out[4 * i + 2] = x * 1e-38f * 1e-3f;
        out[4 * i + 3] = 1.0f / x + __builtin_sqrtf(x);
    }
}

// The control word of floating point, and then one that flushes subnormals, left behind.
POGW_KERNEL host_test_float_mode(uint32_t* out) {
#if defined(__x86_64__)
    out[0] = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(0x9fc0);
#elif defined(__aarch64__)
    uint64_t mode;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    out[0] = uint32_t(mode);
    asm volatile("msr fpcr, %0" : : "r"(uint64_t(1) << 24));
#endif
}

// ---- Defects, each of one kind

POGW_KERNEL host_test_early_exit(uint32_t* out) {
    if (threadIdx.x == 7) {
        return;
    }
    __syncthreads();
    out[threadIdx.x] = 1;
}

POGW_KERNEL host_test_early_exit_in_warp(uint32_t* out) {
    if (threadIdx.x == 7) {
        return;
    }
    out[threadIdx.x] = __shfl_xor_sync(~0u, threadIdx.x, 1);
}

POGW_KERNEL host_test_divergent(uint32_t* out) {
    if (threadIdx.x % 32 < 16) {
        __syncwarp();
    } else {
        __syncthreads();
    }
    out[threadIdx.x] = 1;
}

POGW_KERNEL host_test_divergent_masks(uint32_t* out) {
    if (threadIdx.x < 16) {
        out[threadIdx.x] = __shfl_xor_sync(~0u, threadIdx.x, 1);
    } else {
        __syncwarp();
    }
}

POGW_KERNEL host_test_outside_mask(uint32_t* out) {
    __syncwarp(0xfffffffeu);
    out[threadIdx.x] = 1;
}

POGW_KERNEL host_test_inactive_lane(uint32_t* out) {
    out[threadIdx.x] = __shfl_down_sync(~0u, threadIdx.x, 16);
}

POGW_KERNEL host_test_deep_stack(uint32_t* out, uint32_t words) {
    volatile uint32_t large[1 << 18];
    large[words] = threadIdx.x;
    out[0] = large[words];
}

POGW_KERNEL host_test_wild_pointer(uint32_t* out, uint64_t distance) {
    out[distance] = 1;
}

POGW_KERNEL host_test_divide(uint32_t* out, uint32_t divisor) {
    out[0] = 7 / divisor;
}

// Writes one word at any distance from `out`.
POGW_KERNEL host_test_stray_write(uint32_t* out, int32_t at) {
    out[at] = 1;
}

// ---- Cost

POGW_KERNEL host_test_barriers(uint32_t* out, uint32_t count) {
    uint32_t seen = threadIdx.x;
    for (uint32_t i = 0; i < count; ++i) {
        __syncthreads();
        seen = seen * 5 + 1;
    }
    out[uint64_t(blockIdx.x) * blockDim.x + threadIdx.x] = seen;
}

POGW_KERNEL host_test_shuffles(uint32_t* out, uint32_t count) {
    uint32_t seen = threadIdx.x;
    for (uint32_t i = 0; i < count; ++i) {
        seen += __shfl_xor_sync(~0u, seen, 1);
    }
    out[uint64_t(blockIdx.x) * blockDim.x + threadIdx.x] = seen;
}

POGW_TABLE(host_test,
    POGW_ENTRY(host_test_iota)
    POGW_ENTRY(host_test_block_sum)
    POGW_ENTRY(host_test_missing_barrier)
    POGW_ENTRY(host_test_block_chain)
    POGW_ENTRY(host_test_warp_sum)
    POGW_ENTRY(host_test_warp_ops)
    POGW_ENTRY(host_test_intrinsics)
    POGW_ENTRY(host_test_atomics)
    POGW_ENTRY(host_test_arguments)
    POGW_ENTRY(host_test_places)
    POGW_ENTRY(host_test_floats)
    POGW_ENTRY(host_test_float_mode)
    POGW_ENTRY(host_test_early_exit)
    POGW_ENTRY(host_test_early_exit_in_warp)
    POGW_ENTRY(host_test_divergent)
    POGW_ENTRY(host_test_divergent_masks)
    POGW_ENTRY(host_test_outside_mask)
    POGW_ENTRY(host_test_inactive_lane)
    POGW_ENTRY(host_test_deep_stack)
    POGW_ENTRY(host_test_wild_pointer)
    POGW_ENTRY(host_test_divide)
    POGW_ENTRY(host_test_stray_write)
    POGW_ENTRY(host_test_barriers)
    POGW_ENTRY(host_test_shuffles))
