// A pixel by path tracing: spec/pathtrace.md is the definition.
//
// In scope: rays, what a path does where it meets a surface, its draws, the three bytes of a pixel. Out of scope: the
// scene (pathtrace_scene.cuh), the file the pixels are in (png.cuh), threads and launches (pathtrace.cu).
#pragma once

#include "pathtrace_scene.cuh"

// What is the same for every pixel, but for the camera.
struct PtJob {
    PgStream stream;
    u32 width, height, samples, depth, spheres;
};

// ---- Rays -----------------------------------------------------------------------------------------------------------

struct PtRay {
    PtVec origin, direction;
};

// What a ray meets first: the sphere, PT_FLOOR, or PT_NOTHING.
struct PtHit {
    float t;
    u32 what;
};
static const u32 PT_FLOOR = 0xfffffffeu, PT_NOTHING = 0xffffffffu;

// Nothing nearer than this is met: a ray starts on the surface it leaves.
static const float PT_NEAR = 0x1p-10f;

POGW_INLINE PtHit pt_meet(const float* table, u32 spheres, const PtRay& ray) {
    PtHit hit = {0x1p+20f, PT_NOTHING};
    if (ray.direction.y < 0.0f) {
        const float t = pg_div(ray.origin.y, pg_neg(ray.direction.y));
        if (t > PT_NEAR && t < hit.t) hit = PtHit{t, PT_FLOOR};
    }
    for (u32 i = 0; i < spheres; ++i) {
        const PtVec l = pt_sub(pt_centre(table, i), ray.origin);
        const float along = pt_dot(l, ray.direction);
        const PtVec across = pt_fma(pg_neg(along), ray.direction, l);
        const float radius = pt_radius(table, i);
        const float rest = pg_sub(pg_mul(radius, radius), pt_dot(across, across));
        if (rest > 0.0f) {
            const float half = pg_sqrt(rest);
            const float first = pg_sub(along, half);
            const float t = first > PT_NEAR ? first : pg_add(along, half);
            if (t > PT_NEAR && t < hit.t) hit = PtHit{t, i};
        }
    }
    return hit;
}

// The point of the unit sphere that two words select, all areas alike.
POGW_INLINE PtVec pt_on_sphere(u32 height, u32 turn) {
    const float y = pg_fma(-2.0f, pg_uniform(height), 1.0f);
    const float around = pg_sqrt(pg_max(pg_fma(pg_neg(y), y, 1.0f), 0.0f));
    const PgSinCos angle = pg_sincos_turn(turn);
    return pt_vec(pg_mul(around, angle.cos), y, pg_mul(around, angle.sin));
}

// d mirrored at n.
POGW_INLINE PtVec pt_mirror(const PtVec& d, const PtVec& n) { return pt_fma(pg_mul(-2.0f, pt_dot(d, n)), n, d); }

// The share that a smooth surface of glass or glaze throws back, by Schlick, of light at this cosine to the normal.
POGW_INLINE float pt_schlick(float cosine) {
    const float c = pg_clamp(pg_sub(1.0f, cosine), 0.0f, 1.0f);
    const float c2 = pg_mul(c, c);
    return pg_fma(0.96f, pg_mul(pg_mul(c2, c2), c), 0.04f);
}

// ---- Bounces --------------------------------------------------------------------------------------------------------

// How a path goes on: its direction and what is left of its light; or not at all.
struct PtBounce {
    PtVec direction, share;
    bool on;
};

// Into all directions, as chalk does.
POGW_INLINE PtBounce pt_scatter(const PtVec& n, const PtSurface& s, const PgBlock& draw) {
    const PtVec to = pt_on_sphere(draw.word[1], draw.word[2]);
    const PtVec sum = pt_vec(pg_add(n.x, to.x), pg_add(n.y, to.y), pg_add(n.z, to.z));
    const bool usable = pt_dot(sum, sum) > 0x1p-20f;
    return PtBounce{usable ? pt_unit(sum) : n, s.colour, true};
}

// A clear coat over chalk.
POGW_INLINE PtBounce pt_glazed(const PtVec& d, const PtVec& n, const PtSurface& s, const PgBlock& draw) {
    const float back = pt_schlick(pg_neg(pt_dot(d, n)));
    if (pg_uniform(draw.word[0]) < back) return PtBounce{pt_unit(pt_mirror(d, n)), pt_vec(1.0f, 1.0f, 1.0f), true};
    return pt_scatter(n, s, draw);
}

POGW_INLINE PtBounce pt_metal(const PtVec& d, const PtVec& n, const PtSurface& s, const PgBlock& draw) {
    const PtVec mirrored = pt_mirror(d, n);
    const PtVec to = pt_unit(pt_fma(s.rough, pt_on_sphere(draw.word[1], draw.word[2]), mirrored));
    return PtBounce{to, s.colour, pt_dot(to, n) > 0.0f};
}

// Glass of index 3/2; `out` points out of the sphere.
POGW_INLINE PtBounce pt_glass(const PtVec& d, const PtVec& out, const PtSurface& s, const PgBlock& draw) {
    const float dn = pt_dot(d, out);
    const bool inside = dn > 0.0f;
    const PtVec n = inside ? pt_scale(-1.0f, out) : out;
    const float cosine = pg_abs(dn);
    const float eta = inside ? 1.5f : 0x1.555556p-1f;
    const float under = pg_fma(pg_mul(eta, eta), pg_fma(cosine, cosine, -1.0f), 1.0f);
    const float through = pg_sqrt(pg_max(under, 0.0f));
    const float back = under > 0.0f ? pt_schlick(inside ? through : cosine) : 1.0f;
    if (pg_uniform(draw.word[0]) < back) return PtBounce{pt_unit(pt_mirror(d, n)), pt_vec(1.0f, 1.0f, 1.0f), true};
    const PtVec bent = pt_fma(pg_fma(eta, cosine, pg_neg(through)), n, pt_scale(eta, d));
    return PtBounce{pt_unit(bent), s.colour, true};
}

// ---- Draws ----------------------------------------------------------------------------------------------------------

// For the lens (stage 0) and the first five bounces a pixel has one draw, which moves on from sample to sample by fixed
// steps: so samples fill the square evenly, and far fewer do. Later each sample has its own.
static const u32 PT_EVEN_STAGES = 6;

// Four words for stage b of sample s of a pixel.
POGW_INLINE PgBlock pt_draw(const PgStream& stream, u32 pixel, u32 s, u32 b) {
    const u64 first = (u64)pixel << 32;
    if (b >= PT_EVEN_STAGES) return pg_stream_block(stream, first + ((u64)s << 8) + b);
    PgBlock block = pg_stream_block(stream, first + b);
    const u32 step[PT_EVEN_STAGES][4] = {{0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au},
                                          {0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u},
                                          {0xcbbb9d5du, 0x629a292au, 0x9159015au, 0x152fecd8u},
                                          {0x67332667u, 0x8eb44a87u, 0xdb0c2e0du, 0x47b5481du},
                                          {0xae5f9156u, 0xcf6c85d3u, 0x2f73477du, 0x6d1826cau},
                                          {0x8b43d457u, 0xe360b596u, 0x1c456002u, 0x6f196331u}};
    for (u32 j = 0; j < 4; ++j) block.word[j] += s * step[b][j];
    return block;
}

// ---- The camera -----------------------------------------------------------------------------------------------------

// Where it stands and its three axes; the distance in focus, the lens's radius, the width of view at distance 1.
struct PtLens {
    PtVec from, ahead, right, up;
    float distance, radius, view;
};

// In units of 2^-10.
POGW_INLINE float pt_length(i32 v) { return pg_mul(pg_float_i32(v), 0x1p-10f); }

POGW_INLINE PtLens pt_lens(const PtVec& from, const PtVec& to, float radius, float view) {
    const PtVec d = pt_sub(to, from);
    const PtVec ahead = pt_unit(d);
    const PtVec right = pt_unit(pt_vec(pg_neg(ahead.z), 0.0f, ahead.x));
    const PtVec up = pt_vec(pg_neg(pg_mul(ahead.y, right.z)),
                            pg_fma(ahead.x, right.z, pg_neg(pg_mul(ahead.z, right.x))), pg_mul(ahead.y, right.x));
    return PtLens{from, ahead, right, up, pg_sqrt(pt_dot(d, d)), radius, view};
}

POGW_INLINE PtRay pt_camera_ray(const PtLens& lens, const PtJob& job, u32 x, u32 y, const PgBlock& draw) {
    const float half = pg_div(pg_mul(0.5f, lens.view), pg_float_u32(job.width));
    const float px = pg_fma(2.0f, pg_uniform(draw.word[0]), pg_float_i32((i32)(2 * x) - (i32)job.width));
    const float py = pg_fma(-2.0f, pg_uniform(draw.word[1]), pg_float_i32((i32)job.height - (i32)(2 * y)));
    const float reach = pg_mul(lens.radius, pg_sqrt(pg_uniform(draw.word[2])));
    const PgSinCos angle = pg_sincos_turn(draw.word[3]);
    const float lx = pg_mul(reach, angle.cos), ly = pg_mul(reach, angle.sin);
    const float fx = pg_fma(lens.distance, pg_mul(px, half), pg_neg(lx));
    const float fy = pg_fma(lens.distance, pg_mul(py, half), pg_neg(ly));
    const PtVec origin = pt_fma(lx, lens.right, pt_fma(ly, lens.up, lens.from));
    const PtVec toward = pt_fma(fx, lens.right, pt_fma(fy, lens.up, pt_scale(lens.distance, lens.ahead)));
    return PtRay{origin, pt_unit(toward)};
}

// ---- Paths ----------------------------------------------------------------------------------------------------------

// How much of the floor at distance t is seen through the air.
POGW_INLINE float pt_clear(float t) {
    const float far = pg_mul(t, 0x1p-6f);
    const float far2 = pg_mul(far, far);
    return pg_div(1.0f, pg_fma(far2, far2, 1.0f));
}

// At a surface: light that the air adds on the way there, and how the path goes on.
struct PtStep {
    PtVec haze;
    PtBounce bounce;
};

POGW_INLINE PtStep pt_at_floor(const PtVec& d, const PtVec& p, float t, const PgBlock& draw) {
    const float clear = pt_clear(t);
    const PtVec haze = pt_scale(pg_sub(1.0f, clear), pt_sky(pt_vec(d.x, 0.0f, d.z)));
    PtBounce bounce = pt_glazed(d, pt_vec(0.0f, 1.0f, 0.0f), pt_floor(p), draw);
    bounce.share = pt_scale(clear, bounce.share);
    return PtStep{haze, bounce};
}

POGW_INLINE PtStep pt_at_sphere(const float* table, u32 i, const PtVec& d, const PtVec& p, const PgBlock& draw) {
    const PtSurface s = pt_surface(table, i);
    const PtVec out = pt_unit(pt_sub(p, pt_centre(table, i)));
    const PtVec none = pt_vec(0.0f, 0.0f, 0.0f);
    if (s.finish == PT_METAL) return PtStep{none, pt_metal(d, out, s, draw)};
    if (s.finish == PT_GLASS) return PtStep{none, pt_glass(d, out, s, draw)};
    return PtStep{none, pt_glazed(d, out, s, draw)};
}

// The light that sample s of a pixel sees.
POGW_INLINE PtVec pt_path(const float* table, const PtJob& job, const PtLens& lens, u32 pixel, u32 s) {
    const PgBlock first = pt_draw(job.stream, pixel, s, 0);
    PtRay ray = pt_camera_ray(lens, job, pixel % job.width, pixel / job.width, first);
    PtVec light = pt_vec(0.0f, 0.0f, 0.0f), share = pt_vec(1.0f, 1.0f, 1.0f);
    for (u32 b = 1; b <= job.depth; ++b) {
        const PtHit hit = pt_meet(table, job.spheres, ray);
        if (hit.what == PT_NOTHING) return pt_fma(share, pt_sky(ray.direction), light);
        const PtVec p = pt_fma(hit.t, ray.direction, ray.origin);
        const PgBlock draw = pt_draw(job.stream, pixel, s, b);
        const PtStep step = hit.what == PT_FLOOR ? pt_at_floor(ray.direction, p, hit.t, draw)
                                                 : pt_at_sphere(table, hit.what, ray.direction, p, draw);
        light = pt_fma(share, step.haze, light);
        share = pt_mul(share, step.bounce.share);
        const float most = pg_max(share.x, pg_max(share.y, share.z));
        if (!step.bounce.on || !(most > 0x1p-8f)) break;
        ray = PtRay{p, step.bounce.direction};
    }
    return light;
}

// ---- Bytes ----------------------------------------------------------------------------------------------------------

// Light to a byte: bright parts bend towards white as on film, then the curve of a display (sRGB, nearly).
POGW_INLINE u8 pt_byte(float light) {
    const float x = pg_mul(0.85f, light);
    const float film = pg_div(pg_mul(x, pg_fma(2.51f, x, 0.03f)), pg_fma(x, pg_fma(2.43f, x, 0.59f), 0.14f));
    const float s = pg_sqrt(pg_clamp(film, 0.0f, 1.0f));
    const float q = pg_sqrt(s), e = pg_sqrt(q);
    const float v = pg_fma(0.5851224f, s, pg_fma(0.78314036f, q, pg_mul(-0.36826274f, e)));
    return pg_u8_nearest(pg_mul(255.0f, v));
}

struct PtPixel {
    u8 red, green, blue;
};

POGW_INLINE PtPixel pt_pixel(const float* table, const PtJob& job, const PtLens& lens, u32 pixel) {
    PtVec sum = pt_vec(0.0f, 0.0f, 0.0f);
    for (u32 s = 0; s < job.samples; ++s) {
        const PtVec light = pt_path(table, job, lens, pixel, s);
        sum = pt_vec(pg_add(sum.x, pg_clamp(light.x, 0.0f, 64.0f)), pg_add(sum.y, pg_clamp(light.y, 0.0f, 64.0f)),
                     pg_add(sum.z, pg_clamp(light.z, 0.0f, 64.0f)));
    }
    const float n = pg_float_u32(job.samples);
    return PtPixel{pt_byte(pg_div(sum.x, n)), pt_byte(pg_div(sum.y, n)), pt_byte(pg_div(sum.z, n))};
}
