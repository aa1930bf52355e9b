// What there is to see: spheres on a floor, from the seed, and the sky around them: spec/pathtrace.md is the
// definition.
//
// In scope: vectors, surfaces, the table of spheres, the light from outside. Out of scope: rays and paths
// (pathtrace.cuh).
#pragma once

#include "philox.cuh"

// ---- Vectors --------------------------------------------------------------------------------------------------------

struct PtVec {
    float x, y, z;
};

POGW_INLINE PtVec pt_vec(float x, float y, float z) { return PtVec{x, y, z}; }
POGW_INLINE PtVec pt_sub(const PtVec& a, const PtVec& b) {
    return pt_vec(pg_sub(a.x, b.x), pg_sub(a.y, b.y), pg_sub(a.z, b.z));
}
POGW_INLINE PtVec pt_mul(const PtVec& a, const PtVec& b) {
    return pt_vec(pg_mul(a.x, b.x), pg_mul(a.y, b.y), pg_mul(a.z, b.z));
}
POGW_INLINE PtVec pt_scale(float s, const PtVec& a) { return pt_vec(pg_mul(s, a.x), pg_mul(s, a.y), pg_mul(s, a.z)); }
// s a + b.
POGW_INLINE PtVec pt_fma(float s, const PtVec& a, const PtVec& b) {
    return pt_vec(pg_fma(s, a.x, b.x), pg_fma(s, a.y, b.y), pg_fma(s, a.z, b.z));
}
POGW_INLINE PtVec pt_fma(const PtVec& a, const PtVec& b, const PtVec& c) {
    return pt_vec(pg_fma(a.x, b.x, c.x), pg_fma(a.y, b.y, c.y), pg_fma(a.z, b.z, c.z));
}
POGW_INLINE float pt_dot(const PtVec& a, const PtVec& b) {
    return pg_fma(a.x, b.x, pg_fma(a.y, b.y, pg_mul(a.z, b.z)));
}
POGW_INLINE PtVec pt_unit(const PtVec& a) { return pt_scale(pg_rsqrt(pt_dot(a, a)), a); }
POGW_INLINE PtVec pt_mix(float s, const PtVec& a, const PtVec& b) { return pt_fma(s, pt_sub(b, a), a); }

// ---- The scene ------------------------------------------------------------------------------------------------------

static const u32 PT_GLAZED = 0, PT_METAL = 1, PT_GLASS = 2;

// The colour of what a surface throws back or lets through, how far a metal scatters, and which of the three it is.
struct PtSurface {
    PtVec colour;
    float rough;
    u32 finish;
};

struct PtSphere {
    PtVec centre;
    float radius;
    PtSurface surface;
};

// The table of a scene: twelve words a sphere.
static const u32 PT_SPHERE_WORDS = 12;

POGW_INLINE void pt_store_sphere(float* table, u32 i, const PtSphere& s) {
    float* to = table + PT_SPHERE_WORDS * i;
    to[0] = s.centre.x, to[1] = s.centre.y, to[2] = s.centre.z, to[3] = s.radius;
    to[4] = s.surface.colour.x, to[5] = s.surface.colour.y, to[6] = s.surface.colour.z, to[7] = s.surface.rough;
    to[8] = pg_float_u32(s.surface.finish);
}
POGW_INLINE PtVec pt_centre(const float* table, u32 i) {
    const float* at = table + PT_SPHERE_WORDS * i;
    return pt_vec(at[0], at[1], at[2]);
}
POGW_INLINE float pt_radius(const float* table, u32 i) { return table[PT_SPHERE_WORDS * i + 3]; }
POGW_INLINE PtSurface pt_surface(const float* table, u32 i) {
    const float* at = table + PT_SPHERE_WORDS * i;
    return PtSurface{pt_vec(at[4], at[5], at[6]), at[7], pg_u32(at[8])};
}

// The large spheres: glass, gold, red glaze.
static const u32 PT_LARGE = 3;
POGW_INLINE PtSphere pt_large(u32 i) {
    if (i == 0) return PtSphere{pt_vec(0.0f, 1.25f, 0.5f), 1.25f, {pt_vec(0.98f, 0.99f, 1.0f), 0.0f, PT_GLASS}};
    if (i == 1) return PtSphere{pt_vec(-2.125f, 1.0f, -1.0f), 1.0f, {pt_vec(1.0f, 0.72f, 0.35f), 0.04f, PT_METAL}};
    return PtSphere{pt_vec(2.0f, 0.875f, -0.75f), 0.875f, {pt_vec(0.8f, 0.2f, 0.12f), 0.0f, PT_GLAZED}};
}

// The colour of the wheel at turn/2^32.
POGW_INLINE PtVec pt_hue(u32 turn, float strength) {
    return pt_vec(pg_fma(strength, pg_sincos_turn(turn).cos, 0.5f),
                  pg_fma(strength, pg_sincos_turn(turn - 0x55555555u).cos, 0.5f),
                  pg_fma(strength, pg_sincos_turn(turn - 0xaaaaaaaau).cos, 0.5f));
}

// The surface of a marble: half of them glazed, the others metal or glass, in hues about that of the job.
POGW_INLINE PtSurface pt_marble_surface(u32 hue, const PgBlock& look, u32 rough) {
    const u32 opposite = (look.word[2] & 3u) == 0 ? 0x80000000u : 0u;
    const u32 turn = hue + (u32)((i32)look.word[1] >> 2) + opposite;
    const PtVec colour = pt_hue(turn, pg_fma(0.25f, pg_uniform(look.word[3]), 0.2f));
    const PtVec white = pt_vec(1.0f, 1.0f, 1.0f);
    const float choice = pg_uniform(look.word[0]);
    if (choice < 0.5f) return PtSurface{pt_mul(colour, colour), 0.0f, PT_GLAZED};
    const PtVec pale = pt_mix(0.5f, colour, white);
    if (choice < 0.75f) return PtSurface{pale, pg_mul(0.25f, pg_uniform(rough)), PT_METAL};
    return PtSurface{pale, 0.0f, PT_GLASS};
}

// Marble k, on a spiral of golden angles; so small that it keeps clear of the large spheres.
POGW_INLINE PtSphere pt_marble(const PgStream& stream, u32 k) {
    const PgBlock all = pg_stream_block(stream, 0);
    const PgBlock place = pg_stream_block(stream, 1 + 2 * (u64)k);
    const PgBlock look = pg_stream_block(stream, 2 + 2 * (u64)k);
    const float distance = pg_mul(0.5625f, pg_sqrt(pg_float_u32(k + 10u)));
    const PgSinCos angle = pg_sincos_turn(all.word[0] + (k + 10u) * 0x61c88647u);
    const float x = pg_mul(distance, angle.cos), z = pg_mul(distance, angle.sin);
    float radius = pg_fma(0.21875f, pg_uniform(place.word[0]), 0.1875f);
    for (u32 i = 0; i < PT_LARGE; ++i) {
        const PtSphere large = pt_large(i);
        const float dx = pg_sub(x, large.centre.x), dz = pg_sub(z, large.centre.z);
        const float room = pg_div(pg_mul(0.225f, pg_fma(dx, dx, pg_mul(dz, dz))), large.radius);
        radius = pg_min(radius, room);
    }
    return PtSphere{pt_vec(x, radius, z), radius, pt_marble_surface(all.word[1], look, place.word[1])};
}

POGW_INLINE PtSphere pt_sphere(const PgStream& stream, u32 i) {
    return i < PT_LARGE ? pt_large(i) : pt_marble(stream, i - PT_LARGE);
}

// The floor's surface at a point: slabs two units wide, of two greys.
POGW_INLINE PtSurface pt_floor(const PtVec& p) {
    const i32 x = pg_i32(pg_floor(pg_mul(p.x, 0.5f))), z = pg_i32(pg_floor(pg_mul(p.z, 0.5f)));
    const bool odd = ((x ^ z) & 1) != 0;
    return PtSurface{odd ? pt_vec(0.16f, 0.15f, 0.16f) : pt_vec(0.05f, 0.05f, 0.065f), 0.0f, PT_GLAZED};
}

// ---- Light from outside ---------------------------------------------------------------------------------------------

// The sky in a direction of length 1.
POGW_INLINE PtVec pt_sky(const PtVec& d) {
    const float up = pg_clamp(d.y, 0.0f, 1.0f);
    const float h = pg_sub(1.0f, pg_sqrt(up));
    const PtVec low = pt_vec(0.50f, 0.29f, 0.27f), high = pt_vec(0.03f, 0.09f, 0.30f);
    const PtVec air = pt_mix(h, high, low);
    const float away = pg_sub(1.0f, pt_dot(d, pt_vec(-0.46875f, 0.3125f, -0.8261872f)));
    const float spread = pg_fma(9.0f, away, 1.0f);
    const float glow = pg_div(8.0f, pg_mul(spread, pg_mul(spread, spread)));
    return pt_fma(glow, pt_vec(1.0f, 0.66f, 0.36f), air);
}
