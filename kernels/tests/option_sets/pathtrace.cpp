// Writes the file of spec/pathtrace.md, made by cuda/pathtrace.cuh and cuda/png.cuh one pixel after the other, to
// standard output. Arguments: width, height, samples, depth, spheres, the four words of the streams `scene` and
// `paths`, and the camera: from, to, lens, view; in decimal.
#include <cstdio>
#include <cstdlib>
#include <vector>

#define POGW_SCALAR_ONLY
#include "pathtrace.cuh"
#include "png.cuh"

static char** next;
static u32 number() { return (u32)std::strtoll(*next++, nullptr, 10); }
static float length() { return pt_length((i32)number()); }
static PgStream stream() {
    const u32 a = number(), b = number(), c = number(), d = number();
    return pg_stream(a, b, c, d);
}
static PtVec point() {
    const float x = length(), y = length(), z = length();
    return pt_vec(x, y, z);
}

int main(int, char** argv) {
    next = argv + 1;
    const u32 width = number(), height = number(), samples = number(), depth = number(), spheres = number();
    const PngSize size = {width, height};
    const PgStream scene = stream();
    const PtJob job = {stream(), width, height, samples, depth, spheres};
    const PtVec from = point(), to = point();
    const float radius = length(), view = length();
    const PtLens lens = pt_lens(from, to, radius, view);

    std::vector<float> table(PT_SPHERE_WORDS * spheres);
    for (u32 i = 0; i < spheres; ++i) pt_store_sphere(table.data(), i, pt_sphere(scene, i));
    std::vector<u8> file(png_row(size, height) + 33);
    PngSums sums = {1, 0};
    for (u32 y = 0; y < height; ++y) {
        for (u32 x = 0; x < width; ++x) {
            const PtPixel pixel = pt_pixel(table.data(), job, lens, y * width + x);
            u8* const at = &file[png_pixel(size, x, y)];
            at[0] = pixel.red, at[1] = pixel.green, at[2] = pixel.blue;
        }
        png_frame(file.data(), size, y);
        sums = png_join(sums, png_row_sums(&file[png_pixel(size, 0, y)], png_line(size)), png_line(size));
    }
    png_head(file.data(), size);
    png_tail(file.data(), size, sums);
    return std::fwrite(file.data(), 1, file.size(), stdout) == file.size() ? 0 : 1;
}
