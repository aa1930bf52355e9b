// CUDA C++ for the CPU: what a kernel source sees in place of the CUDA headers.
//
// In scope: the language of the kernels in `cuda/`. Integer intrinsics, static shared memory, barriers, warp shuffles
// and votes, integer atomics. A thread of a block is a fiber (`cuda_host.cpp`); a barrier hands over to the next one.
//
// Out of scope, and therefore an error of the compiler: atomics on floating-point numbers, whose order is not defined;
// dynamic shared memory; cooperative groups; library maths (kernels bring their own in `pogw.cuh`).
//
// Kernels are compiled several times, for several CPUs, into one program. The build script therefore includes each
// source inside an unnamed namespace, and everything here that has a body is `static` or always inlined: no function
// compiled for one CPU may stand in for the same function compiled for another.

#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512VNNI__)
// Here, not in a kernel: kernels are included inside an unnamed namespace.
#include <immintrin.h>
#endif

#include "module_table.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__ static __thread
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#ifndef __restrict__
#define __restrict__ __restrict
#endif

#define POGW_HOST_INLINE static inline __attribute__((always_inline))

struct uint3 {
    uint32_t x, y, z;
};

#define POGW_HOST_VECTOR(name, scalar, alignment2, alignment4)                                                         \
    struct alignas(alignment2) name##2 {                                                                               \
        scalar x, y;                                                                                                   \
    };                                                                                                                 \
    struct alignas(alignment4) name##4 {                                                                               \
        scalar x, y, z, w;                                                                                             \
    };                                                                                                                 \
    POGW_HOST_INLINE name##2 make_##name##2(scalar x, scalar y) { return {x, y}; }                                     \
    POGW_HOST_INLINE name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) { return {x, y, z, w}; }

POGW_HOST_VECTOR(int, int32_t, 8, 16)
POGW_HOST_VECTOR(uint, uint32_t, 8, 16)
POGW_HOST_VECTOR(float, float, 8, 16)
#undef POGW_HOST_VECTOR

struct alignas(16) ulonglong2 {
    unsigned long long x, y;
};

POGW_HOST_INLINE ulonglong2 make_ulonglong2(unsigned long long x, unsigned long long y) { return {x, y}; }

namespace pogw_host {

// Where the running thread stands. The scheduler keeps it right whenever another thread goes on.
struct Place {
    uint3 thread, block, block_dim, grid_dim;
    uint32_t lane;
};
// `__thread`, not `thread_local`: it needs no initialisation, so an access needs no call.
extern __thread Place place;

enum class WarpOp : uint32_t { sync, shuffle, vote };

void block_barrier();

// Waits for all lanes of `mask` to come with the same `op` and `mask`. A shuffle returns the value of lane `source`,
// a vote the set of lanes whose value is not 0.
uint64_t warp_meet(WarpOp op, uint32_t mask, uint64_t value, uint32_t source);

template <class T> POGW_HOST_INLINE T shuffle(uint32_t mask, T value, uint32_t source) {
    static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "shuffles move 32 or 64 bits");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = warp_meet(WarpOp::shuffle, mask, bits, source);
    memcpy(&value, &bits, sizeof value);
    return value;
}

// The first and the last lane of the running thread's segment of `width` lanes.
POGW_HOST_INLINE uint32_t segment_first(uint32_t width) { return place.lane & ~(width - 1); }
POGW_HOST_INLINE uint32_t segment_last(uint32_t width) { return place.lane | (width - 1); }

template <class T> struct Atomic {
    static_assert(std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8),
                  "atomics are for integers of 32 and 64 bits: those on floats depend on the order of threads");
    // Read-modify-write for what the CPU has no single instruction for.
    template <class Change> POGW_HOST_INLINE T update(T* at, Change change) {
        T seen = __atomic_load_n(at, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(at, &seen, change(seen), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        }
        return seen;
    }
};

template <class T> struct Same {
    using type = T;
};
// A parameter that does not take part in the deduction of `T`: `atomicAdd(&counter, 1)` converts the 1.
template <class T> using Value = typename Same<T>::type;

} // namespace pogw_host

#define threadIdx (::pogw_host::place.thread)
#define blockIdx (::pogw_host::place.block)
#define blockDim (::pogw_host::place.block_dim)
#define gridDim (::pogw_host::place.grid_dim)
#define warpSize 32

// Barriers

POGW_HOST_INLINE void __syncthreads() { ::pogw_host::block_barrier(); }
POGW_HOST_INLINE void __syncwarp(uint32_t mask = ~0u) {
    ::pogw_host::warp_meet(::pogw_host::WarpOp::sync, mask, 0, 0);
}
POGW_HOST_INLINE void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
POGW_HOST_INLINE void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// Shuffles and votes (a lane outside the segment leaves a thread its own value)

template <class T> POGW_HOST_INLINE T __shfl_sync(uint32_t mask, T value, int source, int width = 32) {
    const uint32_t first = ::pogw_host::segment_first(width);
    return ::pogw_host::shuffle(mask, value, first | (uint32_t(source) & uint32_t(width - 1)));
}
template <class T> POGW_HOST_INLINE T __shfl_xor_sync(uint32_t mask, T value, int lane_mask, int width = 32) {
    const uint32_t own = ::pogw_host::place.lane, source = own ^ uint32_t(lane_mask);
    return ::pogw_host::shuffle(mask, value, source <= ::pogw_host::segment_last(width) ? source : own);
}
template <class T> POGW_HOST_INLINE T __shfl_down_sync(uint32_t mask, T value, uint32_t delta, int width = 32) {
    const uint32_t own = ::pogw_host::place.lane, distance = ::pogw_host::segment_last(width) - own;
    return ::pogw_host::shuffle(mask, value, delta <= distance ? own + delta : own);
}
template <class T> POGW_HOST_INLINE T __shfl_up_sync(uint32_t mask, T value, uint32_t delta, int width = 32) {
    const uint32_t own = ::pogw_host::place.lane, distance = own - ::pogw_host::segment_first(width);
    return ::pogw_host::shuffle(mask, value, delta <= distance ? own - delta : own);
}
POGW_HOST_INLINE uint32_t __ballot_sync(uint32_t mask, int predicate) {
    return uint32_t(::pogw_host::warp_meet(::pogw_host::WarpOp::vote, mask, predicate != 0, 0));
}
POGW_HOST_INLINE int __any_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
POGW_HOST_INLINE int __all_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }

// Atomics, each returning the value before it

template <class T> POGW_HOST_INLINE T atomicAdd(T* at, ::pogw_host::Value<T> value) {
    static_assert(sizeof(::pogw_host::Atomic<T>));
    return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}
template <class T> POGW_HOST_INLINE T atomicSub(T* at, ::pogw_host::Value<T> value) {
    static_assert(sizeof(::pogw_host::Atomic<T>));
    return __atomic_fetch_sub(at, value, __ATOMIC_RELAXED);
}
template <class T> POGW_HOST_INLINE T atomicOr(T* at, ::pogw_host::Value<T> value) {
    static_assert(sizeof(::pogw_host::Atomic<T>));
    return __atomic_fetch_or(at, value, __ATOMIC_RELAXED);
}
template <class T> POGW_HOST_INLINE T atomicAnd(T* at, ::pogw_host::Value<T> value) {
    static_assert(sizeof(::pogw_host::Atomic<T>));
    return __atomic_fetch_and(at, value, __ATOMIC_RELAXED);
}
template <class T> POGW_HOST_INLINE T atomicXor(T* at, ::pogw_host::Value<T> value) {
    static_assert(sizeof(::pogw_host::Atomic<T>));
    return __atomic_fetch_xor(at, value, __ATOMIC_RELAXED);
}
template <class T> POGW_HOST_INLINE T atomicExch(T* at, ::pogw_host::Value<T> value) {
    static_assert(sizeof(::pogw_host::Atomic<T>));
    return __atomic_exchange_n(at, value, __ATOMIC_RELAXED);
}
template <class T> POGW_HOST_INLINE T atomicMax(T* at, ::pogw_host::Value<T> value) {
    return ::pogw_host::Atomic<T>::update(at, [value](T seen) { return seen < value ? value : seen; });
}
template <class T> POGW_HOST_INLINE T atomicMin(T* at, ::pogw_host::Value<T> value) {
    return ::pogw_host::Atomic<T>::update(at, [value](T seen) { return value < seen ? value : seen; });
}
template <class T> POGW_HOST_INLINE T atomicCAS(T* at, ::pogw_host::Value<T> expected, ::pogw_host::Value<T> value) {
    static_assert(sizeof(::pogw_host::Atomic<T>));
    __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return expected;
}

// Integer intrinsics

template <class T> POGW_HOST_INLINE T __ldg(const T* at) { return *at; }
POGW_HOST_INLINE int __popc(uint32_t value) { return __builtin_popcount(value); }
POGW_HOST_INLINE int __popcll(uint64_t value) { return __builtin_popcountll(value); }
POGW_HOST_INLINE int __clz(uint32_t value) { return value == 0 ? 32 : __builtin_clz(value); }
POGW_HOST_INLINE int __clzll(uint64_t value) { return value == 0 ? 64 : __builtin_clzll(value); }
POGW_HOST_INLINE int __ffs(uint32_t value) { return __builtin_ffs(int(value)); }
POGW_HOST_INLINE uint32_t __umulhi(uint32_t a, uint32_t b) { return uint32_t((uint64_t(a) * b) >> 32); }
POGW_HOST_INLINE uint64_t __umul64hi(uint64_t a, uint64_t b) {
    return uint64_t((static_cast<unsigned __int128>(a) * b) >> 64);
}
POGW_HOST_INLINE uint32_t __funnelshift_l(uint32_t low, uint32_t high, uint32_t shift) {
    return uint32_t((((uint64_t(high) << 32) | low) << (shift & 31)) >> 32);
}
POGW_HOST_INLINE uint32_t __funnelshift_r(uint32_t low, uint32_t high, uint32_t shift) {
    return uint32_t(((uint64_t(high) << 32) | low) >> (shift & 31));
}
POGW_HOST_INLINE uint32_t __brev(uint32_t value) {
    value = ((value >> 1) & 0x55555555u) | ((value & 0x55555555u) << 1);
    value = ((value >> 2) & 0x33333333u) | ((value & 0x33333333u) << 2);
    value = ((value >> 4) & 0x0f0f0f0fu) | ((value & 0x0f0f0f0fu) << 4);
    return __builtin_bswap32(value);
}
// Each selector digit takes byte 0..7 of b:a; its top bit replicates that byte's sign instead.
POGW_HOST_INLINE uint32_t __byte_perm(uint32_t a, uint32_t b, uint32_t selector) {
    const uint64_t bytes = (uint64_t(b) << 32) | a;
    uint32_t result = 0;
    for (uint32_t i = 0; i < 4; ++i) {
        const uint32_t digit = selector >> (4 * i);
        uint32_t byte = uint32_t(bytes >> (8 * (digit & 7))) & 0xff;
        if (digit & 8) {
            byte = byte & 0x80 ? 0xff : 0;
        }
        result |= byte << (8 * i);
    }
    return result;
}
template <class T> POGW_HOST_INLINE T min(T a, T b) {
    static_assert(std::is_integral_v<T>, "the minimum of floats is pogw.cuh's to define");
    return b < a ? b : a;
}
template <class T> POGW_HOST_INLINE T max(T a, T b) {
    static_assert(std::is_integral_v<T>, "the maximum of floats is pogw.cuh's to define");
    return a < b ? b : a;
}
