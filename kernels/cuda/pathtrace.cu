// The kernel `pathtrace`: spec/pathtrace.md. A scene, its pixels, and the file around them.
#include "blake3.cuh"
#include "pathtrace.cuh"
#include "png.cuh"

// The table of spheres: one thread, one sphere.
POGW_KERNEL pathtrace_scene(float* table, u32 spheres, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < spheres) pt_store_sphere(table, i, pt_sphere(pg_stream(key_0, key_1, high_0, high_1), i));
}

// One thread, one pixel; blocks of 16x16 of them, so that neighbours take like paths. Lengths in units of 2^-10.
POGW_KERNEL pathtrace_pixels(const float* table, u8* file, u32 key_0, u32 key_1, u32 high_0, u32 high_1, u32 width,
                             u32 height, u32 samples, u32 depth, u32 spheres, i32 from_x, i32 from_y, i32 from_z,
                             i32 to_x, i32 to_y, i32 to_z, i32 lens, i32 view) {
    const u32 x = blockIdx.x * 16 + threadIdx.x, y = blockIdx.y * 16 + threadIdx.y;
    if (x >= width || y >= height) return;
    const PtVec from = pt_vec(pt_length(from_x), pt_length(from_y), pt_length(from_z));
    const PtVec to = pt_vec(pt_length(to_x), pt_length(to_y), pt_length(to_z));
    const PtLens camera = pt_lens(from, to, pt_length(lens), pt_length(view));
    const PtJob job = {pg_stream(key_0, key_1, high_0, high_1), width, height, samples, depth, spheres};
    const PtPixel pixel = pt_pixel(table, job, camera, y * width + x);
    u8* const at = file + png_pixel(PngSize{width, height}, x, y);
    at[0] = pixel.red;
    at[1] = pixel.green;
    at[2] = pixel.blue;
}

// One thread, one row: what surrounds its pixels, and its two sums.
POGW_KERNEL pathtrace_rows(u8* file, u32* sums, u32 width, u32 height) {
    const u32 y = blockIdx.x * blockDim.x + threadIdx.x;
    if (y >= height) return;
    const PngSize size = {width, height};
    png_frame(file, size, y);
    const PngSums row = png_row_sums(file + png_pixel(size, 0, y), png_line(size));
    sums[2 * y] = row.plain;
    sums[2 * y + 1] = row.weighted;
}

// One thread in all: both ends of the file.
POGW_KERNEL pathtrace_ends(u8* file, const u32* sums, u32 width, u32 height) {
    const PngSize size = {width, height};
    PngSums all = {1, 0};
    for (u32 y = 0; y < height; ++y) all = png_join(all, PngSums{sums[2 * y], sums[2 * y + 1]}, png_line(size));
    png_head(file, size);
    png_tail(file, size, all);
}

POGW_TABLE(pathtrace, POGW_BLAKE3_ENTRIES POGW_ENTRY(pathtrace_scene) POGW_ENTRY(pathtrace_pixels)
                          POGW_ENTRY(pathtrace_rows) POGW_ENTRY(pathtrace_ends))
