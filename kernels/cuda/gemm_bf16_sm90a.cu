// The bf16 product of spec/gemm_bf16.md on the tensor cores of Hopper: one `wgmma` is one step of the specification.
//
// Compiled and assembled, never run: no Hopper was at hand. That `wgmma` computes the specification's step is the claim
// of the public model it was taken from; before this module's outputs are relied on, compare it on a Hopper with
// gemm_bf16.cu, which emulates the step in integers. It assembles for sm_90a alone and must not be ported to Ampere,
// whose tensor cores compute something else.
//
// A block of 256 threads, two warpgroups, computes 128x128 elements of C, a warpgroup 64 of the rows, and walks along k
// 64 at a time: four steps of 16, ascending, into one accumulator that starts at +0. Elements outside the matrices are
// zeros in shared memory, as the specification fills up k.
#include "gemm_bf16.cuh"

enum : u32 {
    WGMMA_TILE = 128,       // rows and columns of C for a block
    WGMMA_ROWS = 64,        // rows of C for a warpgroup: the m of the instruction
    WGMMA_DEPTH = 64,       // k in shared memory
    WGMMA_STEP = 16,        // the k of the instruction
    WGMMA_CHUNK = 8,        // bf16 in 16 bytes
    WGMMA_THREADS = 256,
    WGMMA_ACCUMULATORS = 64 // of a thread: 64x128 by 128 threads
};

// ---- Shared memory
//
// A tile is 128 lines (rows of A, columns of B) of 64 bf16 along k, for A and B alike "K-major" without swizzle: made of
// core matrices of 8 lines by 16 bytes, 128 bytes each, line after line. Core matrices that follow each other along k
// are neighbours; eight lines further it goes on after the 8 core matrices of these.

enum : u32 {
    WGMMA_CORE = 128,                                            // bytes of a core matrix
    WGMMA_NEXT_K = WGMMA_CORE,                                   // bytes to the next along k ("leading dimension")
    WGMMA_NEXT_LINES = WGMMA_CORE * (WGMMA_DEPTH / WGMMA_CHUNK), // bytes to the next 8 lines ("stride dimension")
    WGMMA_TILE_BYTES = WGMMA_TILE * WGMMA_DEPTH * 2
};

// Where the 16 bytes of `line` with elements 8·chunk to 8·chunk + 7 along k are.
POGW_INLINE u32 wgmma_place(u32 line, u32 chunk) {
    return (line / 8) * WGMMA_NEXT_LINES + chunk * WGMMA_NEXT_K + (line % 8) * 16;
}

// Two bf16 along k of a line, zeros outside. `line_stride` and `k_stride` say how the matrix lies in memory.
POGW_INLINE u32 wgmma_pair(const u16* matrix, u32 line, u32 lines, u64 line_stride, u32 l, u32 k, u64 k_stride) {
    u32 pair = 0;
    if (line < lines && l < k) pair = matrix[line * line_stride + l * k_stride];
    if (line < lines && l + 1 < k) pair |= (u32)matrix[line * line_stride + (l + 1) * k_stride] << 16;
    return pair;
}

POGW_INLINE void wgmma_load_chunk(u8* tile, const u16* matrix, u32 first_line, u32 lines, u64 line_stride, u32 depth,
                                  u32 k, u64 k_stride, u32 line, u32 chunk) {
    u32 pairs[4];
    for (u32 i = 0; i < 4; ++i) {
        const u32 l = depth + chunk * WGMMA_CHUNK + 2 * i;
        pairs[i] = wgmma_pair(matrix, first_line + line, lines, line_stride, l, k, k_stride);
    }
    *reinterpret_cast<uint4*>(tile + wgmma_place(line, chunk)) = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

// The tile of A: neighbouring threads read neighbouring chunks of a row.
POGW_INLINE void wgmma_load_a(u8* tile, const u16* a, u32 first_row, u32 m, u32 depth, u32 k) {
    for (u32 e = threadIdx.x; e < WGMMA_TILE * WGMMA_DEPTH / WGMMA_CHUNK; e += WGMMA_THREADS) {
        const u32 line = e / (WGMMA_DEPTH / WGMMA_CHUNK), chunk = e % (WGMMA_DEPTH / WGMMA_CHUNK);
        wgmma_load_chunk(tile, a, first_row, m, k, depth, k, 1, line, chunk);
    }
}

// The tile of B, transposed on the way: neighbouring threads read neighbouring columns of a row.
POGW_INLINE void wgmma_load_b(u8* tile, const u16* b, u32 first_column, u32 n, u32 depth, u32 k) {
    for (u32 e = threadIdx.x; e < WGMMA_TILE * WGMMA_DEPTH / WGMMA_CHUNK; e += WGMMA_THREADS) {
        const u32 line = e % WGMMA_TILE, chunk = e / WGMMA_TILE;
        wgmma_load_chunk(tile, b, first_column, n, 1, depth, k, n, line, chunk);
    }
}

// ---- Instructions (PTX ISA 8.0, "Asynchronous Warpgroup Level Matrix Instructions")

// The matrix descriptor of a tile's part that starts at `first`: addresses and offsets in units of 16 bytes, no swizzle.
POGW_INLINE u64 wgmma_descriptor(const u8* first) {
    const u32 address = (u32)__cvta_generic_to_shared(first);
    return (u64)((address & 0x3ffffu) >> 4) | ((u64)(WGMMA_NEXT_K >> 4) << 16) | ((u64)(WGMMA_NEXT_LINES >> 4) << 32);
}

// Writes of this thread to shared memory become visible to the tensor cores, which read it by another path.
POGW_INLINE void wgmma_publish() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Accumulators that this thread wrote may be used by the instructions that follow.
POGW_INLINE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

// Ends the group of instructions issued and waits for it.
POGW_INLINE void wgmma_wait() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
}

// d = d + a·b for 64x16 a, 16x128 b: D added (predicate 1), no operand negated, both K-major.
POGW_INLINE void wgmma_step(float (&d)[WGMMA_ACCUMULATORS], u64 a, u64 b) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, "
        "%8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, "
        "%24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, "
        "%40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, "
        "%56, %57, %58, %59, %60, %61, %62, %63"
        "}, %64, %65, 1, 1, 1, 0, 0;"
        :
          "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
          "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
          "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
          "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
          "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
          "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
          "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
          "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
        : "l"(a), "l"(b)
        : "memory");
}

// ---- The product

// Thread t of a warpgroup holds rows 16·(t / 32) + (t mod 32) / 4, and 8 further, at columns 8j + 2·(t mod 4) and one
// further: accumulators 4j to 4j + 3.
POGW_INLINE void wgmma_store(const float (&d)[WGMMA_ACCUMULATORS], float* c, u32 first_row, u32 first_column, u32 m,
                             u32 n) {
    const u32 lane = threadIdx.x % 32;
    const u32 top_row = first_row + threadIdx.x / 32 * 16 + lane / 4;
#pragma unroll
    for (u32 at = 0; at < WGMMA_ACCUMULATORS; ++at) {
        const u32 row = top_row + at / 2 % 2 * 8;
        const u32 column = first_column + at / 4 * 8 + lane % 4 * 2 + at % 2;
        if (row < m && column < n) c[(u64)row * n + column] = pg_canon(d[at]);
    }
}

// C = A·B. Grid: ceil(n / 128) x ceil(m / 128) blocks of 256 threads.
POGW_KERNEL __launch_bounds__(WGMMA_THREADS)
gemm_bf16_product(const u16* a, const u16* b, float* c, u32 m, u32 n, u32 k) {
    __shared__ __align__(128) u8 a_tile[WGMMA_TILE_BYTES];
    __shared__ __align__(128) u8 b_tile[WGMMA_TILE_BYTES];
    const u32 first_row = blockIdx.y * WGMMA_TILE, first_column = blockIdx.x * WGMMA_TILE;
    const u8* a_part = a_tile + threadIdx.x / 128 * (WGMMA_ROWS / 8) * WGMMA_NEXT_LINES;
    float d[WGMMA_ACCUMULATORS];
#pragma unroll
    for (u32 at = 0; at < WGMMA_ACCUMULATORS; ++at) d[at] = 0.0f;
    for (u32 depth = 0; depth < k; depth += WGMMA_DEPTH) {
        wgmma_load_a(a_tile, a, first_row, m, depth, k);
        wgmma_load_b(b_tile, b, first_column, n, depth, k);
        wgmma_publish();
        __syncthreads();
        wgmma_fence();
#pragma unroll
        for (u32 l = 0; l < WGMMA_DEPTH; l += WGMMA_STEP) {
            const u32 offset = l / WGMMA_CHUNK * WGMMA_NEXT_K;
            wgmma_step(d, wgmma_descriptor(a_part + offset), wgmma_descriptor(b_tile + offset));
        }
        wgmma_wait();
        __syncthreads();
    }
    // Rows of a warp follow those of the warp before, across both warpgroups.
    wgmma_store(d, c, first_row, first_column, m, n);
}

POGW_TABLE(gemm_bf16_sm90a, POGW_ENTRY(gemm_bf16_fill) POGW_ENTRY(gemm_bf16_product))
