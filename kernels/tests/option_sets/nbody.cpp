// Writes the trajectory of spec/nbody.md, made by cuda/nbody.cuh one body after the other, to standard output.
// Arguments, in decimal: n, steps, the bits of dt and of the softening's square as f32, the four words of the stream `bodies`.
#include <cstdio>
#include <cstdlib>
#include <vector>

#define POGW_SCALAR_ONLY
#include "nbody.cuh"

int main(int, char** argv) {
    u32 word[8];
    for (int i = 0; i < 8; ++i) word[i] = (u32)std::strtoul(argv[i + 1], nullptr, 10);
    const u32 n = word[0], steps = word[1];
    const float dt = pg_from_bits(word[2]), soft2 = pg_from_bits(word[3]);
    const PgStream stream = pg_stream(word[4], word[5], word[6], word[7]);

    std::vector<float> mass(n), before(6 * n), after(6 * n);
    for (u32 i = 0; i < n; ++i) {
        const NbodyBody body = nbody_seeded(stream, n, soft2, i);
        mass[i] = body.mass;
        nbody_store(&before[6 * i], body.place);
        nbody_store(&before[6 * i + 3], body.velocity);
    }
    for (u32 step = 0; step < steps; ++step) {
        const float kick = step == 0 ? pg_mul(0.5f, dt) : dt;
        for (u32 i = 0; i < n; ++i) {
            const NbodyVec place = nbody_load(&before[6 * i]);
            NbodyVec pull = {0.0f, 0.0f, 0.0f};
            for (u32 j = 0; j < n; ++j) {
                pull = nbody_pull(NbodyPlace{nbody_load(&before[6 * j]), mass[j]}, place, soft2, pull);
            }
            nbody_store(&after[6 * i + 3], nbody_fma(kick, pull, nbody_load(&before[6 * i + 3])));
            nbody_store(&after[6 * i], nbody_fma(dt, nbody_load(&after[6 * i + 3]), place));
        }
        before.swap(after);
        if (std::fwrite(before.data(), 4, before.size(), stdout) != before.size()) return 1;
    }
    return 0;
}
