// The training of spec/mlp_sgd.md: one launch for each layer and direction of a step.
//
// In scope: samples and weights from a seed, forward, loss, backward, update, saving a state. Out of scope: which step
// uses which samples (the program of a job).
//
// Every sum has one accumulator and ascending indices, so a product is never split along its depth; what runs in
// parallel is its elements.
#include "blake3.cuh"
#include "philox.cuh"

enum : u32 {
    MLP_SGD_TILE = 16,  // rows and columns that a block of 16x16 threads computes, one element a thread
    MLP_SGD_DEPTH = 64, // depth in shared memory
    MLP_SGD_THREADS = 256,
    MLP_SGD_NONE = 0xffffffffu
};

#define MLP_SGD_INDEX ((u64)blockIdx.x * MLP_SGD_THREADS + threadIdx.x)

// ---- From the seed --------------------------------------------------------------------------------------------------

// out[e] = factor * symmetric(e). Thread e of the grid, in blocks of 256: initial weights, inputs of a teacher.
POGW_KERNEL mlp_sgd_symmetric(float* out, u64 len, float factor, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 e = MLP_SGD_INDEX;
    if (e < len) out[e] = pg_mul(factor, pg_stream_symmetric(pg_stream(key_0, key_1, high_0, high_1), e));
}

// Sample e of the spirals by thread e of the grid, in blocks of 256.
POGW_KERNEL mlp_sgd_spirals(float* x, u32* y, u32 samples, u32 classes, u32 key_0, u32 key_1, u32 high_0, u32 high_1) {
    const u64 e = MLP_SGD_INDEX;
    if (e >= samples) return;
    const PgStream stream = pg_stream(key_0, key_1, high_0, high_1);
    const u32 along = pg_stream_word(stream, 2 * e), noise = pg_stream_word(stream, 2 * e + 1);
    const u32 which = (u32)(e % classes), apart = (u32)(0x100000000ull / classes);
    const PgSinCos at = pg_sincos_turn(which * apart + along + (u32)((i32)noise >> 5));
    const float radius = pg_mul(2.0f, pg_uniform(along));
    x[2 * e] = pg_mul(radius, at.cos);
    x[2 * e + 1] = pg_mul(radius, at.sin);
    y[e] = which;
}

// ---- Samples of a step ----------------------------------------------------------------------------------------------

// Copies `batch` rows of `width` words from row `first` on, beginning anew after the last. Thread e: word e.
POGW_KERNEL mlp_sgd_gather(const u32* from, u32* to, u32 first, u32 samples, u32 batch, u32 width) {
    const u64 e = MLP_SGD_INDEX;
    if (e >= (u64)batch * width) return;
    const u64 row = (first + e / width) % samples;
    to[e] = from[row * width + e % width];
}

// ---- Products -------------------------------------------------------------------------------------------------------

// A matrix in memory, row by row or column by column, of which one row or one column may be all ones and not there.
struct MlpView {
    const float* data;
    u32 down, across; // from one row to the next, from one column to the next
    u32 row_of_ones, column_of_ones;
};

POGW_INLINE float mlp_sgd_element(const MlpView& m, u32 row, u32 column) {
    const bool is_one = row == m.row_of_ones || column == m.column_of_ones;
    return is_one ? 1.0f : m.data[(u64)row * m.down + (u64)column * m.across];
}

// Element (row, column) of a·b (rows x depth, depth x columns): fma(a[row][l], b[l][column], s) for ascending l.
// All threads of a block come here; those outside the product get a number without meaning.
POGW_INLINE float mlp_sgd_sum(const MlpView& a, const MlpView& b, u32 rows, u32 columns, u32 depth) {
    __shared__ float a_tile[MLP_SGD_TILE][MLP_SGD_DEPTH + 1];
    __shared__ float b_tile[MLP_SGD_DEPTH][MLP_SGD_TILE + 1];
    const u32 y = threadIdx.y, x = threadIdx.x;
    const u32 row = blockIdx.x * MLP_SGD_TILE + y, column = blockIdx.y * MLP_SGD_TILE + x;
    float s = 0.0f;
    for (u32 first = 0; first < depth; first += MLP_SGD_DEPTH) {
        const u32 count = depth - first < MLP_SGD_DEPTH ? depth - first : MLP_SGD_DEPTH;
        for (u32 l = x; l < count; l += MLP_SGD_TILE) {
            a_tile[y][l] = row < rows ? mlp_sgd_element(a, row, first + l) : 0.0f;
        }
        for (u32 l = y; l < count; l += MLP_SGD_TILE) {
            b_tile[l][x] = column < columns ? mlp_sgd_element(b, first + l, column) : 0.0f;
        }
        __syncthreads();
        for (u32 l = 0; l < count; ++l) s = pg_fma(a_tile[y][l], b_tile[l][x], s);
        __syncthreads();
    }
    return s;
}

// Grids of the three products: ceil(rows / 16) x ceil(columns / 16) blocks of 16x16 threads; this thread's element.
#define MLP_SGD_ROW (blockIdx.x * MLP_SGD_TILE + threadIdx.y)
#define MLP_SGD_COLUMN (blockIdx.y * MLP_SGD_TILE + threadIdx.x)

// out = h·w with a 1 after each row of h for the bias, through tanh where `hidden` is not 0.
POGW_KERNEL mlp_sgd_forward(const float* h, const float* w, float* out, u32 rows, u32 inputs, u32 outputs, u32 hidden) {
    const MlpView left = {h, inputs, 1, MLP_SGD_NONE, inputs};
    const MlpView right = {w, outputs, 1, MLP_SGD_NONE, MLP_SGD_NONE};
    const float z = mlp_sgd_sum(left, right, rows, outputs, inputs + 1);
    const u32 row = MLP_SGD_ROW, column = MLP_SGD_COLUMN;
    if (row < rows && column < outputs) out[(u64)row * outputs + column] = hidden != 0 ? pg_tanh(z) : z;
}

// below = (delta·w transposed, without the bias), times the derivative of tanh, whose values are h.
POGW_KERNEL mlp_sgd_backward(const float* delta, const float* w, const float* h, float* below, u32 rows, u32 inputs,
                             u32 outputs) {
    const MlpView left = {delta, outputs, 1, MLP_SGD_NONE, MLP_SGD_NONE};
    const MlpView right = {w, 1, outputs, MLP_SGD_NONE, MLP_SGD_NONE};
    const float s = mlp_sgd_sum(left, right, rows, inputs, outputs);
    const u32 row = MLP_SGD_ROW, column = MLP_SGD_COLUMN;
    if (row >= rows || column >= inputs) return;
    const u64 at = (u64)row * inputs + column;
    below[at] = pg_mul(s, pg_fma(pg_neg(h[at]), h[at], 1.0f));
}

// Moves w and its velocity by the gradient, h transposed times delta, with a row of ones for the bias.
POGW_KERNEL mlp_sgd_update(const float* h, const float* delta, float* w, float* velocity, u32 rows, u32 inputs,
                           u32 outputs, float rate, float momentum) {
    const MlpView left = {h, 1, inputs, inputs, MLP_SGD_NONE};
    const MlpView right = {delta, outputs, 1, MLP_SGD_NONE, MLP_SGD_NONE};
    const float gradient = mlp_sgd_sum(left, right, inputs + 1, outputs, rows);
    const u32 row = MLP_SGD_ROW, column = MLP_SGD_COLUMN;
    if (row > inputs || column >= outputs) return;
    const u64 at = (u64)row * outputs + column;
    const float v = pg_canon(pg_fma(momentum, velocity[at], gradient));
    velocity[at] = v;
    w[at] = pg_canon(pg_clamp(pg_fma(pg_neg(rate), v, w[at]), -1024.0f, 1024.0f));
}

// ---- Loss -----------------------------------------------------------------------------------------------------------

// ln of a sum of exponentials of which the largest is 1: 1 <= x <= 1024.
POGW_INLINE float mlp_sgd_ln(float x) {
    const u32 k = (pg_bits(x) - 0x3f3504f3u) >> 23;
    const float v = pg_from_bits(pg_bits(x) - (k << 23));
    const float f = pg_div(pg_sub(v, 1.0f), pg_add(v, 1.0f));
    const float z = pg_mul(f, f), g = pg_mul(2.0f, f);
    float q = pg_from_bits(0x3de38e39u);
    q = pg_fma(q, z, pg_from_bits(0x3e124925u));
    q = pg_fma(q, z, pg_from_bits(0x3e4ccccdu));
    q = pg_fma(q, z, pg_from_bits(0x3eaaaaabu));
    return pg_fma(pg_float_u32(k), pg_from_bits(0x3f317218u), pg_fma(pg_mul(g, z), q, g));
}

// The loss of each row of `outputs` into `losses`; the derivative of the mean loss in place of the outputs.
// Thread b of the grid, in blocks of 256: row b.
POGW_KERNEL mlp_sgd_classification(float* outputs, const u32* classes, float* losses, u32 rows, u32 width,
                                   float share) {
    const u64 b = MLP_SGD_INDEX;
    if (b >= rows) return;
    float* o = outputs + b * width;
    float largest = o[0];
    for (u32 j = 1; j < width; ++j) largest = pg_max(largest, o[j]);
    const u32 right = classes[b];
    const float of_right = pg_sub(o[right], largest);
    float s = 0.0f;
    for (u32 j = 0; j < width; ++j) {
        o[j] = pg_exp(pg_sub(o[j], largest));
        s = pg_add(s, o[j]);
    }
    for (u32 j = 0; j < width; ++j) {
        const float p = pg_div(o[j], s);
        o[j] = pg_mul(j == right ? pg_sub(p, 1.0f) : p, share);
    }
    losses[b] = pg_sub(mlp_sgd_ln(s), of_right);
}

POGW_KERNEL mlp_sgd_regression(float* outputs, const float* targets, float* losses, u32 rows, u32 width, float share) {
    const u64 b = MLP_SGD_INDEX;
    if (b >= rows) return;
    float s = 0.0f;
    for (u64 at = b * width; at < (b + 1) * width; ++at) {
        const float d = pg_sub(outputs[at], targets[at]);
        s = pg_fma(d, d, s);
        outputs[at] = pg_mul(d, share);
    }
    losses[b] = pg_mul(0.5f, s);
}

// The mean of the losses of a batch, by one thread: the order of the sum is given.
POGW_KERNEL mlp_sgd_mean(const float* losses, float* mean, u32 rows, float share) {
    float s = 0.0f;
    for (u32 b = 0; b < rows; ++b) s = pg_add(s, losses[b]);
    *mean = pg_canon(pg_mul(s, share));
}

// ---- Checkpoints ----------------------------------------------------------------------------------------------------

// Copies a state. Thread e of the grid, in blocks of 256: word e.
POGW_KERNEL mlp_sgd_save(const u32* state, u32* checkpoint, u64 words) {
    const u64 e = MLP_SGD_INDEX;
    if (e < words) checkpoint[e] = state[e];
}

POGW_TABLE(mlp_sgd, POGW_BLAKE3_ENTRIES POGW_ENTRY(mlp_sgd_symmetric) POGW_ENTRY(mlp_sgd_spirals) POGW_ENTRY(mlp_sgd_gather)
    POGW_ENTRY(mlp_sgd_forward) POGW_ENTRY(mlp_sgd_backward) POGW_ENTRY(mlp_sgd_update)
    POGW_ENTRY(mlp_sgd_classification) POGW_ENTRY(mlp_sgd_regression) POGW_ENTRY(mlp_sgd_mean)
    POGW_ENTRY(mlp_sgd_save))
