// The kernel `nbody`: spec/nbody.md. Bodies under their gravity, step by step.
//
// A state is six f32 a body: place and velocity. Every body adds up the pulls of all bodies in their order, on one sum
// for each coordinate; tiles in shared memory change who reads, not what is added when.
#include "blake3.cuh"
#include "nbody.cuh"

static const u32 NBODY_THREADS = 256;

// Mass and state in the beginning: one thread, one body.
POGW_KERNEL nbody_begin(float* mass, float* state, u32 n, float soft2, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const NbodyBody body = nbody_seeded(pg_stream(key_0, key_1, high_0, high_1), n, soft2, i);
    mass[i] = body.mass;
    nbody_store(state + 6 * (u64)i, body.place);
    nbody_store(state + 6 * (u64)i + 3, body.velocity);
}

// The state after a step from that before: velocities by `kick`, then places by `drift`. One thread, one body.
POGW_KERNEL nbody_step(const float* mass, const float* before, float* after, u32 n, float kick, float drift,
                       float soft2) {
    __shared__ NbodyPlace tile[NBODY_THREADS];
    const u32 i = blockIdx.x * NBODY_THREADS + threadIdx.x;
    // Threads beyond the last body help with tiles, and stand in its place meanwhile.
    const float* const own = before + 6 * (u64)(i < n ? i : n - 1);
    const NbodyVec place = nbody_load(own);
    NbodyVec pull = {0.0f, 0.0f, 0.0f};
    for (u32 first = 0; first < n; first += NBODY_THREADS) {
        const u32 j = first + threadIdx.x;
        if (j < n) tile[threadIdx.x] = NbodyPlace{nbody_load(before + 6 * (u64)j), mass[j]};
        __syncthreads();
        const u32 bodies = n - first < NBODY_THREADS ? n - first : NBODY_THREADS;
        for (u32 k = 0; k < bodies; ++k) pull = nbody_pull(tile[k], place, soft2, pull);
        __syncthreads();
    }
    if (i >= n) return;
    float* const to = after + 6 * (u64)i;
    nbody_store(to + 3, nbody_fma(kick, pull, nbody_load(own + 3)));
    nbody_store(to, nbody_fma(drift, nbody_load(to + 3), place));
}

POGW_TABLE(nbody, POGW_BLAKE3_ENTRIES POGW_ENTRY(nbody_begin) POGW_ENTRY(nbody_step))
