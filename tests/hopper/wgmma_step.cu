// One `wgmma` step of bf16 on a Hopper beside the step of kernels/spec/gemm_bf16.md, for all bits.
//
// In scope: the whole of "One step", also outside the domain of the product: subnormal numbers, infinities, NaN. Products
// in the kernel's domain are compared by the hardware tests (`tests/tests/hardware`), which need no compiler; this needs
// nvcc (`run`, beside this file). The specification's step is written here anew, in 64-bit integers, so that it shares
// nothing with the emulator but its text.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../../kernels/cuda/wgmma.cuh"

// ---- The specification's step

struct Term {
    u64 significand; // times 2^fraction
    i32 exponent, fraction;
    bool negative, infinite, nan;
};

__device__ Term number(u32 bits, u32 fraction_bits) {
    const u32 field = bits >> fraction_bits & 0xffu, fraction = bits & ((1u << fraction_bits) - 1u);
    Term term = {};
    term.negative = (bits >> (fraction_bits + 8) & 1u) != 0;
    term.fraction = (i32)fraction_bits;
    term.infinite = field == 255 && fraction == 0;
    term.nan = field == 255 && fraction != 0;
    term.significand = field == 0 ? fraction : (1u << fraction_bits) | fraction;
    term.exponent = field == 0 ? -126 : (i32)field - 127;
    return term;
}

__device__ Term product(const Term& a, const Term& b) {
    Term term = {};
    term.negative = a.negative != b.negative;
    term.significand = a.significand * b.significand;
    term.exponent = a.exponent + b.exponent;
    term.fraction = a.fraction + b.fraction;
    term.nan = a.nan || b.nan || (a.infinite && b.significand == 0) || (b.infinite && a.significand == 0);
    term.infinite = !term.nan && (a.infinite || b.infinite);
    return term;
}

__device__ u32 rounded(i64 sum, i32 top) {
    if (sum == 0) return 0;
    const u64 magnitude = (u64)(sum < 0 ? -sum : sum);
    const u32 sign = sum < 0 ? 0x80000000u : 0u;
    const i32 leading = 63 - __clzll((i64)magnitude), exponent = top - 25 + leading;
    if (exponent >= 128) return sign | 0x7f800000u;
    if (exponent < -126) {
        const i32 up = top - 25 + 149;
        const u32 units = (u32)(up >= 0 ? magnitude << up : magnitude >> min(-up, 63));
        return units == 0 ? 0 : sign | units;
    }
    const u64 fraction = leading > 23 ? magnitude >> (leading - 23) : magnitude << (23 - leading);
    return sign | (u32)(exponent + 127) << 23 | ((u32)fraction & 0x7fffffu);
}

__device__ u32 specified(u32 c, const u16* a, const u16* b) {
    Term terms[17];
    for (u32 i = 0; i < 16; ++i) terms[i] = product(number(a[i], 7), number(b[i], 7));
    terms[16] = number(c, 23);
    bool nan = false, up = false, down = false;
    i32 top = -133; // of a term that is 0
    for (const Term& term : terms) {
        nan |= term.nan;
        up |= term.infinite && !term.negative;
        down |= term.infinite && term.negative;
        if (term.significand != 0) top = max(top, term.exponent);
    }
    if (nan || (up && down)) return 0x7fffffffu;
    if (up || down) return up ? 0x7f800000u : 0xff800000u;
    i64 sum = 0;
    for (const Term& term : terms) {
        const i32 drop = top - term.exponent;
        const u64 kept = term.significand == 0 || drop > 63 ? 0 : term.significand << (25 - term.fraction) >> drop;
        sum += term.negative ? -(i64)kept : (i64)kept;
    }
    return rounded(sum, top);
}

// ---- Operands

enum Kind : u32 { RECORDS, DOMAIN, SEEDED, NORMAL, SUBNORMAL, SMALL, VANISHING, VANISHING_SPARSE, ANY, NEAR, SPARSE, KINDS };

const char* const NAMES[KINDS] = {
    "public records and their combinations", "all over the kernel's domain", "as seeded jobs have them",
    "all normal numbers", "a quarter subnormal", "results near the smallest", "sums about 2^-149",
    "sums about 2^-149, half of the operands zeros", "any bits", "exponents near each other",
    "half of them zeros",
};

__device__ u32 draw(u64 x) {
    x = (x + 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 29) * 0x94d049bb133111ebull;
    return (u32)((x ^ x >> 32) >> 16);
}

// A number with `fraction_bits` and an exponent field of `first` or above.
__device__ u32 spread(u32 word, u32 more, u32 fraction_bits, u32 first, u32 count) {
    const u32 sign_and_fraction = word & (1u << (fraction_bits + 8) | ((1u << fraction_bits) - 1u));
    return sign_and_fraction | (first + more % count) << fraction_bits;
}

__device__ u32 operand(Kind kind, u64 at, u32 fraction_bits) {
    const u32 word = draw(2 * at), more = draw(2 * at + 1), rest = more / 16;
    const u32 zero_field = word & (1u << (fraction_bits + 8) | ((1u << fraction_bits) - 1u));
    switch (kind) {
    case DOMAIN: return spread(word, rest, fraction_bits, 91, 91);
    case SEEDED: return spread(word, rest, fraction_bits, 120, 8);
    case NORMAL: return spread(word, rest, fraction_bits, 1, 254);
    case SUBNORMAL: return more % 4 == 0 ? zero_field : spread(word, rest, fraction_bits, 1, 254);
    case SMALL: return more % 3 == 0 ? zero_field : spread(word, rest, fraction_bits, 1, 70);
    // Products from 2^-156 to 2^-144, accumulators of a few units of 2^-149 or none.
    case VANISHING: return fraction_bits == 7 ? spread(word, rest, 7, 127 - 78, 7) : word & 0x80000003u;
    case VANISHING_SPARSE:
        if (more % 2 == 0) return word & 1u << (fraction_bits + 8);
        return fraction_bits == 7 ? spread(word, rest, 7, 127 - 80, 16) : spread(word, rest, 23, 1, 3);
    case ANY: return word & ((2u << (fraction_bits + 8)) - 1u);
    case NEAR: return spread(word, rest, fraction_bits, 126, 3);
    default: return more % 2 == 0 ? 0 : spread(word, rest, fraction_bits, 100, 50);
    }
}

// ---- The comparison: a block, one `wgmma`

struct Records {
    const u16 *a, *b;
    const u32 *c, *d;
};

struct Counts {
    unsigned long long different, records_right;
    u32 c, specified, computed; // of one that differs
};

__global__ void __launch_bounds__(128) compare(Kind kind, u64 seed, Records records, Counts* counts) {
    alignas(128) __shared__ u8 a_core[64 * 32], b_core[128 * 32];
    __shared__ u16 a[64][16], b[128][16];
    const u32 thread = threadIdx.x;
    const u64 base = seed + blockIdx.x * 16384ull;
    for (u32 e = thread; e < 192 * 16; e += 128) {
        const u32 line = e / 16, l = e % 16;
        u16* to = line < 64 ? &a[line][l] : &b[line - 64][l];
        const u64 record = blockIdx.x * 64ull + line % 64;
        if (kind == RECORDS) {
            *to = (line < 64 ? records.a : records.b)[record * 16 + l];
        } else {
            *to = (u16)operand(kind, base + e, 7);
        }
    }
    __syncthreads();
    for (u32 e = thread; e < 64 * 16; e += 128) {
        const u32 line = e / 16, l = e % 16;
        memcpy(a_core + line / 8 * 256 + l / 8 * 128 + line % 8 * 16 + l % 8 * 2, &a[line][l], 2);
    }
    for (u32 e = thread; e < 128 * 16; e += 128) {
        const u32 line = e / 16, l = e % 16;
        memcpy(b_core + l / 8 * 2048 + line / 8 * 128 + l % 8 * 16 + line % 8 * 2, &b[line][l], 2);
    }
    float d[WGMMA_ACCUMULATORS];
    u32 c[WGMMA_ACCUMULATORS];
    for (u32 at = 0; at < WGMMA_ACCUMULATORS; ++at) {
        const u32 place = wgmma_row(thread, at) * 128 + wgmma_column(thread, at);
        c[at] = kind == RECORDS ? records.c[blockIdx.x * 64 + place / 128] : operand(kind, base + 4096 + place, 23);
        d[at] = __uint_as_float(c[at]);
    }
    wgmma_publish();
    __syncthreads();
    wgmma_fence();
    wgmma_step(d, a_core, WgmmaLayout{128, 256}, b_core, WgmmaLayout{2048, 128});
    wgmma_commit();
    wgmma_wait();
    for (u32 at = 0; at < WGMMA_ACCUMULATORS; ++at) {
        const u32 row = wgmma_row(thread, at), column = wgmma_column(thread, at);
        const u32 computed = __float_as_uint(d[at]), right = specified(c[at], a[row], b[column]);
        if (computed != right && atomicAdd(&counts->different, 1ull) == 0) {
            counts->c = c[at], counts->specified = right, counts->computed = computed;
        }
        if (kind == RECORDS && column == row && computed == records.d[blockIdx.x * 64 + row]) {
            atomicAdd(&counts->records_right, 1ull);
        }
    }
}

static void check(cudaError_t error, const char* what) {
    if (error == cudaSuccess) return;
    std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
    std::exit(2);
}

template <class T> static T* upload(const std::vector<T>& values) {
    T* on_device;
    check(cudaMalloc(&on_device, values.size() * sizeof(T)), "cudaMalloc");
    check(cudaMemcpy(on_device, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
    return on_device;
}

static const u32 COUNT = 3072;

static Records read_records(const char* path) {
    std::vector<u8> bytes(COUNT * 72);
    std::FILE* file = std::fopen(path, "rb");
    if (file == nullptr || std::fread(bytes.data(), 1, bytes.size(), file) != bytes.size()) {
        std::fprintf(stderr, "%s: expected %u records of 72 bytes\n", path, COUNT);
        std::exit(2);
    }
    std::fclose(file);
    std::vector<u16> a(COUNT * 16), b(COUNT * 16);
    std::vector<u32> c(COUNT), d(COUNT);
    for (u32 i = 0; i < COUNT; ++i) {
        const u8* record = &bytes[i * 72];
        std::memcpy(&a[i * 16], record, 32);
        std::memcpy(&b[i * 16], record + 32, 32);
        std::memcpy(&c[i], record + 64, 4);
        std::memcpy(&d[i], record + 68, 4);
    }
    return Records{upload(a), upload(b), upload(c), upload(d)};
}

int main(int, char** arguments) {
    const Records records = read_records(arguments[1]);
    const bool whole = std::getenv("POGW_STEPS_FEW") == nullptr;
    bool right = true;
    for (u32 kind = 0; kind < KINDS; ++kind) {
        Counts counts = {};
        Counts* on_device = upload(std::vector<Counts>{counts});
        const u32 blocks = kind == RECORDS ? COUNT / 64 : whole ? 20000 : 200;
        compare<<<blocks, 128>>>((Kind)kind, kind * 0x123456789abcull, records, on_device);
        check(cudaDeviceSynchronize(), "the comparison");
        check(cudaMemcpy(&counts, on_device, sizeof counts, cudaMemcpyDeviceToHost), "cudaMemcpy");
        std::printf("%-40s %llu of %llu steps differ\n", NAMES[kind], counts.different, blocks * 8192ull);
        if (counts.different != 0) {
            std::printf("  one of them: C %08x, specified %08x, computed %08x\n", counts.c, counts.specified, counts.computed);
        }
        if (kind == RECORDS) std::printf("  %llu of %u records have the result stated\n", counts.records_right, COUNT);
        right &= counts.different == 0 && (kind != RECORDS || counts.records_right == COUNT);
    }
    return right ? 0 : 1;
}
