// Every operation that a kernel may use and whose machine code is not one instruction, or not the obvious one: division,
// roots, reciprocals, conversions, integer division, in and out of loops that the compiler unrolls. `kernels/ptx/check`
// shows with it that its rules refuse none of them.

#define KERNEL(name, type) extern "C" __global__ void name(type* out, const type* a, const type* b)

KERNEL(arithmetic_fma, float) {
    const unsigned i = threadIdx.x;
    float sum = 0.0f;
    for (unsigned k = 0; k < 256; ++k) sum = __fmaf_rn(a[i + k], b[k], sum);
    out[i] = sum;
}

// Left to the compiler, these two would become one fused operation.
KERNEL(arithmetic_separate, float) {
    const unsigned i = threadIdx.x;
    float sum = 0.0f;
    for (unsigned k = 0; k < 256; ++k) sum = sum + a[i + k] * b[k] - 1.5f * sum;
    out[i] = sum;
}

KERNEL(arithmetic_divide, float) {
    const unsigned i = threadIdx.x;
    float sum = 0.0f;
    for (unsigned k = 0; k < 16; ++k) sum += __fdiv_rn(a[i + k], b[k]) + a[k] / 3.0f;
    out[i] = sum;
}

KERNEL(arithmetic_reciprocal, float) {
    const unsigned i = threadIdx.x;
    float sum = 0.0f;
    for (unsigned k = 0; k < 16; ++k) sum += 1.0f / a[i + k] - 1.0f / b[k];
    out[i] = sum;
}

KERNEL(arithmetic_root, float) {
    const unsigned i = threadIdx.x;
    float sum = 0.0f;
    for (unsigned k = 0; k < 16; ++k) sum += __fsqrt_rn(a[i + k]) / __fsqrt_rn(b[k]);
    out[i] = sum;
}

KERNEL(arithmetic_select, float) {
    const unsigned i = threadIdx.x;
    const float x = a[i];
    out[i] = x < 0.0f ? 0.0f : (x > 1.0f ? 1.0f : x);
    out[i + 256] = x > b[i] ? -x : __int_as_float(__float_as_int(x) & 0x7fffffff);
}

KERNEL(arithmetic_convert, float) {
    const unsigned i = threadIdx.x;
    out[i] = __int2float_rn(__float2int_rz(a[i]));
    out[i + 1] = __uint2float_rn(__float2uint_rz(a[i + 1]));
    out[i + 2] = __ll2float_rn(__float2ll_rz(a[i + 2]));
    out[i + 3] = __ull2float_rn(__float2ull_rz(a[i + 3]));
    out[i + 4] = __int2float_rn(__float2int_rn(a[i + 4]));
    out[i + 5] = static_cast<float>(reinterpret_cast<const unsigned char*>(b)[i]);
    out[i + 6] = static_cast<float>(reinterpret_cast<const signed char*>(b)[i + 1]);
    out[i + 7] = rintf(a[i + 7]) + floorf(a[i + 8]) + ceilf(a[i + 9]) + truncf(a[i + 10]);
}

KERNEL(arithmetic_u32, unsigned) { out[threadIdx.x] = a[threadIdx.x] / b[0] + a[threadIdx.x] % b[1] + a[0] / 7; }
KERNEL(arithmetic_i32, int) { out[threadIdx.x] = a[threadIdx.x] / b[0] + a[threadIdx.x] % b[1] + a[0] / 7; }
KERNEL(arithmetic_u64, unsigned long long) { out[threadIdx.x] = a[threadIdx.x] / b[0] + a[threadIdx.x] % b[1]; }
KERNEL(arithmetic_i64, long long) { out[threadIdx.x] = a[threadIdx.x] / b[0] + a[threadIdx.x] % b[1]; }

KERNEL(arithmetic_dp4a, int) {
    __shared__ int tile[256];
    tile[threadIdx.x] = a[threadIdx.x];
    __syncthreads();
    int sum = 0;
    for (unsigned k = 0; k < 256; ++k) asm("dp4a.s32.s32 %0, %1, %2, %0;" : "+r"(sum) : "r"(tile[k]), "r"(b[threadIdx.x]));
    out[threadIdx.x] = sum + __shfl_xor_sync(0xffffffffu, sum, 1);
    atomicAdd(out, sum);
}
