// The int8 products of oneDNN, timed: n x n by n x n, s8 and u8 by s8, sums in s32, no scales. Prints billions of
// multiply-adds a second, the best of some runs, one line for each size and sign.
//
// Usage: matmul N...; OMP_NUM_THREADS says how many threads.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

using dnnl::memory;

static const int RUNS = 5;

// Filled with the same few values each time; which ones does not matter to the time.
static void fill(const memory& into, std::size_t bytes) {
    auto* at = static_cast<std::uint8_t*>(into.get_data_handle());
    for (std::size_t i = 0; i < bytes; ++i) at[i] = static_cast<std::uint8_t>((i * 2654435761u) >> 13) & 0x7f;
}

// On one thread the time that it had a processor, on several that of the clock on the wall.
static double seconds_now(bool on_cpu) {
    timespec now;
    clock_gettime(on_cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

static double best_seconds(const dnnl::engine& engine, memory::dim n, memory::data_type left) {
    const auto desc = [n](memory::data_type type) { return memory::desc({n, n}, type, memory::format_tag::ab); };
    const auto a_desc = desc(left), b_desc = desc(memory::data_type::s8), c_desc = desc(memory::data_type::s32);
    const dnnl::matmul::primitive_desc product({a_desc, b_desc, c_desc}, engine);
    memory a(a_desc, engine), b(b_desc, engine), c(c_desc, engine);
    fill(a, a_desc.get_size());
    fill(b, b_desc.get_size());
    dnnl::stream stream(engine);
    const dnnl::matmul matmul(product);
    const char* threads = std::getenv("OMP_NUM_THREADS");
    const bool on_cpu = threads != nullptr && std::atoi(threads) == 1;
    double best = 1e9;
    for (int run = 0; run <= RUNS; ++run) {
        const double start = seconds_now(on_cpu);
        matmul.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
        stream.wait();
        const double took = seconds_now(on_cpu) - start;
        // The first run warms up.
        if (run > 0) best = std::min(best, took);
    }
    return best;
}

int main(int count, char** words) {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    for (int i = 1; i < count; ++i) {
        const long n = std::atol(words[i]);
        const struct { const char* name; memory::data_type type; } lefts[] = {
            {"s8s8s32", memory::data_type::s8}, {"u8s8s32", memory::data_type::u8}};
        for (const auto& left : lefts) {
            const double seconds = best_seconds(engine, n, left.type);
            std::printf("onednn %s %ld^3 on %s threads %.1f GMAC/s\n", left.name, n, std::getenv("OMP_NUM_THREADS"), double(n) * n * n / seconds / 1e9);
        }
    }
}
