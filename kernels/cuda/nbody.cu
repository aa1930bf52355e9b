// The kernel `nbody`: spec/nbody.md. Bodies under their gravity, step by step.
//
// A state is six f32 a body: place and velocity. Every body adds up the pulls of all bodies in their order, on one sum
// for each coordinate; tiles in shared memory change who reads, not what is added when.
#include "blake3.cuh"
#include "philox.cuh"

static const u32 NBODY_THREADS = 256;

struct NbodyVec {
    float x, y, z;
};

POGW_INLINE NbodyVec nbody_load(const float* at) { return NbodyVec{at[0], at[1], at[2]}; }
POGW_INLINE void nbody_store(float* at, const NbodyVec& v) {
    at[0] = pg_output(v.x);
    at[1] = pg_output(v.y);
    at[2] = pg_output(v.z);
}
// s a + b.
POGW_INLINE NbodyVec nbody_fma(float s, const NbodyVec& a, const NbodyVec& b) {
    return NbodyVec{pg_fma(s, a.x, b.x), pg_fma(s, a.y, b.y), pg_fma(s, a.z, b.z)};
}

// ---- Two discs ------------------------------------------------------------------------------------------------------

struct NbodyDisc {
    float core, scale, cosine, sine;
    NbodyVec centre, drift;
};

POGW_INLINE NbodyDisc nbody_disc(bool second) {
    if (second) {
        return NbodyDisc{0.5f, 0.75f, 0.6f, -0.8f, {2.0f, 0.75f, 0.0f}, {-0.5f, 0.0f, -0.0625f}};
    }
    return NbodyDisc{1.0f, 1.0f, 0.96f, 0.28f, {-1.0f, -0.375f, 0.0f}, {0.25f, 0.0f, 0.03125f}};
}

// From the plane of a disc into space, about a point.
POGW_INLINE NbodyVec nbody_tilt(const NbodyDisc& disc, const NbodyVec& v, const NbodyVec& about) {
    return NbodyVec{pg_add(about.x, v.x),
                    pg_add(about.y, pg_fma(disc.cosine, v.y, pg_neg(pg_mul(disc.sine, v.z)))),
                    pg_add(about.z, pg_fma(disc.sine, v.y, pg_mul(disc.cosine, v.z)))};
}

// Mass and state in the beginning: one thread, one body.
POGW_KERNEL nbody_begin(float* mass, float* state, u32 n, float soft2, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const u32 first = n - n / 2;
    const bool second = i >= first;
    const u32 others = (second ? n / 2 : first) - 1;
    const NbodyDisc disc = nbody_disc(second);
    float m = disc.core;
    NbodyVec place = disc.centre, velocity = disc.drift;
    if (i != 0 && i != first) {
        const PgBlock draw = pg_stream_block(pg_stream(key_0, key_1, high_0, high_1), i);
        m = pg_div(pg_mul(0.125f, disc.core), pg_float_u32(others));
        const float r = pg_mul(disc.scale, pg_fma(0.875f, pg_sqrt(pg_uniform(draw.word[0])), 0.125f));
        const PgSinCos angle = pg_sincos_turn(draw.word[1]);
        const float above = pg_mul(pg_mul(0.02f, disc.scale), pg_symmetric(draw.word[2]));
        const float inv = pg_rsqrt(pg_fma(r, r, soft2));
        const float speed = pg_mul(r, pg_sqrt(pg_mul(disc.core, pg_mul(inv, pg_mul(inv, inv)))));
        place = nbody_tilt(disc, NbodyVec{pg_mul(r, angle.cos), pg_mul(r, angle.sin), above}, disc.centre);
        velocity = nbody_tilt(disc, NbodyVec{pg_mul(pg_neg(speed), angle.sin), pg_mul(speed, angle.cos), 0.0f},
                              disc.drift);
    }
    mass[i] = m;
    nbody_store(state + 6 * (u64)i, place);
    nbody_store(state + 6 * (u64)i + 3, velocity);
}

// ---- A step ---------------------------------------------------------------------------------------------------------

// The pull of a body (place and mass) on one at `from`, added to `sum`.
POGW_INLINE NbodyVec nbody_pull(const float4& body, const NbodyVec& from, float soft2, const NbodyVec& sum) {
    const NbodyVec d = {pg_sub(body.x, from.x), pg_sub(body.y, from.y), pg_sub(body.z, from.z)};
    const float inv = pg_rsqrt(pg_fma(d.x, d.x, pg_fma(d.y, d.y, pg_fma(d.z, d.z, soft2))));
    return nbody_fma(pg_mul(pg_mul(body.w, inv), pg_mul(inv, inv)), d, sum);
}

// The state after a step from that before: velocities by `kick`, then places by `drift`. One thread, one body.
POGW_KERNEL nbody_step(const float* mass, const float* before, float* after, u32 n, float kick, float drift,
                       float soft2) {
    __shared__ float4 tile[NBODY_THREADS];
    const u32 i = blockIdx.x * NBODY_THREADS + threadIdx.x;
    // Threads beyond the last body help with tiles, and take the last one's place meanwhile.
    const float* const own = before + 6 * (u64)(i < n ? i : n - 1);
    const NbodyVec place = nbody_load(own);
    NbodyVec pull = {0.0f, 0.0f, 0.0f};
    for (u32 first = 0; first < n; first += NBODY_THREADS) {
        const u32 j = first + threadIdx.x;
        if (j < n) {
            const float* const at = before + 6 * (u64)j;
            tile[threadIdx.x] = make_float4(at[0], at[1], at[2], mass[j]);
        }
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
