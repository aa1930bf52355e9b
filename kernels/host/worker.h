// One worker runs one block at a time: its threads, warps, ready queue and fibers.

#pragma once

#include "cuda_host.h"
#include "fiber.h"

namespace pogw_host {

const uint32_t max_block_threads = 1024;
const uint32_t warp_lanes = 32;

// Why a launch came back without its result. The numbers are shared with `src/host/ffi.rs`.
enum class Defect : int {
    none = 0,
    out_of_memory = 1,
    exit_before_barrier = 2,
    divergent_barrier = 3,
    inactive_lane = 4,
    stack_overflow = 5,
    memory_fault = 6,
    arithmetic_fault = 7,
};

enum class State : uint8_t { runnable, at_block_barrier, at_warp_barrier, exited };

struct Thread {
    uint3 index;
    uint16_t warp;
    uint8_t lane;
    State state;
    Fiber* fiber; // null until the thread starts
};

// What a lane brings to a meeting of its warp, and, afterwards, takes from it.
struct Lane {
    WarpOp op;
    uint32_t mask;
    uint32_t source;
    uint64_t value;
};

struct Warp {
    uint32_t present; // lanes that exist: the last warp of a block may have fewer than 32
    uint32_t waiting;
    Lane lanes[warp_lanes];
};

struct Launch {
    const Function* function;
    void* const* args;
    uint3 grid, block;
    uint64_t seed; // 0: threads start in their natural order
};

// Released threads, first in, first out.
class ReadyQueue {
  public:
    bool empty() const { return head_ == tail_; }
    void clear() { head_ = tail_ = 0; }
    void push(Thread* thread) { threads_[tail_++ % max_block_threads] = thread; }
    Thread* pop() { return threads_[head_++ % max_block_threads]; }

  private:
    uint32_t head_, tail_;
    Thread* threads_[max_block_threads];
};

// Plain data apart from its functions: a zeroed allocation is a worker that has run nothing.
class Worker {
  public:
    // Runs blocks `first .. first + count` of the grid. On a defect, `error` gets a sentence about it.
    Defect run(const Launch& launch, uint64_t first, uint64_t count, char* error, size_t error_len);

    // From inside a kernel.
    void block_barrier();
    uint64_t warp_meet(WarpOp op, uint32_t mask, uint64_t value, uint32_t source);
    [[noreturn]] void fiber_loop();

    // From the signal handler: false if no kernel was running, else the interrupted code goes on outside it.
    bool take_fault(int signal, void* address, void* ucontext);

    Worker* next_idle; // for the list of idle workers

  private:
    void lay_out(const Launch& launch);
    void start_block(uint64_t index);
    Defect run_block();
    void describe_fault();
    void shuffle_starts();

    Thread* next_thread();
    void enter(Thread* thread);
    void suspend();
    bool give_fiber(Thread* thread);
    void release_block();
    void release(Thread* const* threads, uint32_t count);
    void complete(Warp& warp, uint32_t members);
    [[noreturn]] void abandon(Defect defect);
    [[noreturn]] void abandon_stuck();

    uint32_t random(uint32_t below);
    Thread* thread_of(const Warp& warp, uint32_t lane);
    void describe_thread(const Thread& thread, const char* what);

    Launch launch_;
    Thread threads_[max_block_threads];
    Warp warps_[max_block_threads / warp_lanes];
    uint32_t thread_count_, warp_count_;

    Thread* starts_[max_block_threads]; // the order in which threads start
    uint32_t started_;
    ReadyQueue ready_;
    uint32_t exited_, at_block_barrier_;
    uint64_t random_state_;

    Thread* current_;
    void* host_context_;
    volatile bool in_kernel_; // read by the signal handler
    Defect defect_;
    uintptr_t fault_address_;
    char* error_;
    size_t error_len_;

    FiberPool fibers_;
};

// The worker whose kernel runs on this thread, or null.
Worker* worker_of_this_thread();

} // namespace pogw_host
