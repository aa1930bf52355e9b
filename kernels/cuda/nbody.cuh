// Bodies under their gravity: spec/nbody.md is the definition.
//
// In scope: one body in the beginning, one pull. Out of scope: who adds pulls up when (nbody.cu).
#pragma once

#include "philox.cuh"

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

struct NbodyBody {
    float mass;
    NbodyVec place, velocity;
};

// Body i of n in the beginning.
POGW_INLINE NbodyBody nbody_seeded(const PgStream& stream, u32 n, float soft2, u32 i) {
    const u32 first = n - n / 2;
    const bool second = i >= first;
    const NbodyDisc disc = nbody_disc(second);
    if (i == 0 || i == first) return NbodyBody{disc.core, disc.centre, disc.drift};
    const float others = pg_float_u32((second ? n / 2 : first) - 1);
    const PgBlock draw = pg_stream_block(stream, i);
    const float r = pg_mul(disc.scale, pg_fma(0.875f, pg_sqrt(pg_uniform(draw.word[0])), 0.125f));
    const PgSinCos angle = pg_sincos_turn(draw.word[1]);
    const float above = pg_mul(pg_mul(0.02f, disc.scale), pg_symmetric(draw.word[2]));
    const float inv = pg_rsqrt(pg_fma(r, r, soft2));
    const float speed = pg_mul(r, pg_sqrt(pg_mul(disc.core, pg_mul(inv, pg_mul(inv, inv)))));
    const NbodyVec place = {pg_mul(r, angle.cos), pg_mul(r, angle.sin), above};
    const NbodyVec velocity = {pg_mul(pg_neg(speed), angle.sin), pg_mul(speed, angle.cos), 0.0f};
    return NbodyBody{pg_div(pg_mul(0.125f, disc.core), others), nbody_tilt(disc, place, disc.centre),
                     nbody_tilt(disc, velocity, disc.drift)};
}

// ---- A pull ---------------------------------------------------------------------------------------------------------

struct alignas(16) NbodyPlace {
    NbodyVec at;
    float mass;
};

// The pull of a body on one at `from`, added to `sum`.
POGW_INLINE NbodyVec nbody_pull(const NbodyPlace& body, const NbodyVec& from, float soft2, const NbodyVec& sum) {
    const NbodyVec d = {pg_sub(body.at.x, from.x), pg_sub(body.at.y, from.y), pg_sub(body.at.z, from.z)};
    const float inv = pg_rsqrt(pg_fma(d.x, d.x, pg_fma(d.y, d.y, pg_fma(d.z, d.z, soft2))));
    return nbody_fma(pg_mul(pg_mul(body.mass, inv), pg_mul(inv, inv)), d, sum);
}
