// The scheduler: what runs when a thread of a block starts, waits, is released or exits.
//
// A thread that has not started has no stack. A fiber takes a thread, runs it, and if the thread exits without having
// waited takes the next one by a plain call: a kernel without barriers never switches stacks. A thread that waits keeps
// its fiber, and hands over directly to the next thread that can go on.

#include "worker.h"

#include <signal.h>
#include <stdio.h>

namespace pogw_host {

__thread Place place;
static __thread Worker* running_worker;

Worker* worker_of_this_thread() { return running_worker; }

void block_barrier() { running_worker->block_barrier(); }

uint64_t warp_meet(WarpOp op, uint32_t mask, uint64_t value, uint32_t source) {
    return running_worker->warp_meet(op, mask, value, source);
}

static void fiber_start() { running_worker->fiber_loop(); }

// ---- Launch and block

Defect Worker::run(const Launch& launch, uint64_t first, uint64_t count, char* error, size_t error_len) {
    running_worker = this;
    error_ = error;
    error_len_ = error_len;
    lay_out(launch);
    Defect defect = Defect::none;
    for (uint64_t i = 0; i < count && defect == Defect::none; ++i) {
        // Odd seeds run the blocks backwards, so that a block that counts on an earlier one shows.
        start_block(launch.seed & 1 ? first + count - 1 - i : first + i);
        defect = run_block();
    }
    // Nothing inside a fiber may outlive the launch: the next one may run on another thread of the system, and what
    // the fiber holds in registers may point into this one's thread-local variables.
    fibers_.abandon_all(fiber_start);
    running_worker = nullptr;
    return defect;
}

void Worker::lay_out(const Launch& launch) {
    launch_ = launch;
    place.block_dim = launch.block;
    place.grid_dim = launch.grid;
    thread_count_ = launch.block.x * launch.block.y * launch.block.z;
    warp_count_ = (thread_count_ + warp_lanes - 1) / warp_lanes;
    uint3 index = {0, 0, 0};
    for (uint32_t i = 0; i < thread_count_; ++i) {
        threads_[i] = Thread{index, uint16_t(i / warp_lanes), uint8_t(i % warp_lanes), State::runnable, nullptr};
        starts_[i] = &threads_[i];
        if (++index.x == launch.block.x) {
            index.x = 0;
            if (++index.y == launch.block.y) {
                index.y = 0;
                ++index.z;
            }
        }
    }
    for (uint32_t i = 0; i < warp_count_; ++i) {
        const uint32_t lanes = thread_count_ - i * warp_lanes;
        warps_[i].present = lanes >= warp_lanes ? ~0u : (1u << lanes) - 1;
    }
}

void Worker::start_block(uint64_t index) {
    const uint3 grid = launch_.grid;
    place.block = uint3{uint32_t(index % grid.x), uint32_t(index / grid.x % grid.y), uint32_t(index / grid.x / grid.y)};
    for (uint32_t i = 0; i < thread_count_; ++i) {
        threads_[i].state = State::runnable;
        threads_[i].fiber = nullptr;
    }
    for (uint32_t i = 0; i < warp_count_; ++i) {
        warps_[i].waiting = 0;
    }
    started_ = exited_ = at_block_barrier_ = 0;
    ready_.clear();
    defect_ = Defect::none;
    if (launch_.seed != 0) {
        random_state_ = launch_.seed + index * 0x9e3779b97f4a7c15u;
        shuffle_starts();
    }
}

Defect Worker::run_block() {
    Thread* first = next_thread();
    if (!give_fiber(first)) {
        snprintf(error_, error_len_, "no memory for the stack of a thread");
        return Defect::out_of_memory;
    }
    enter(first);
    in_kernel_ = true;
    pogw_host_switch(&host_context_, first->fiber->saved);
    in_kernel_ = false;
    describe_fault();
    return defect_;
}

// A fault was only noted by the signal handler, where nothing may be printed.
void Worker::describe_fault() {
    char what[64];
    switch (defect_) {
    case Defect::stack_overflow:
        return describe_thread(*current_, "overflows its stack");
    case Defect::memory_fault:
        snprintf(what, sizeof what, "accesses memory at 0x%zx, which it must not", size_t(fault_address_));
        return describe_thread(*current_, what);
    case Defect::arithmetic_fault:
        return describe_thread(*current_, "divides by zero");
    default:
        return;
    }
}

bool Worker::take_fault(int signal, void* address, void* ucontext) {
    if (!in_kernel_) {
        return false;
    }
    in_kernel_ = false;
    fault_address_ = uintptr_t(address);
    defect_ = signal == SIGFPE              ? Defect::arithmetic_fault
              : fibers_.is_guard(address) ? Defect::stack_overflow
                                            : Defect::memory_fault;
    resume_after_signal(ucontext, host_context_);
    return true;
}

// ---- Order of threads

// SplitMix64, and Lemire's reduction to a range; the small bias does not matter for an order of threads.
uint32_t Worker::random(uint32_t below) {
    uint64_t z = random_state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return uint32_t(((z >> 32) * below) >> 32);
}

template <class T, class Random> static void shuffle_items(T* items, uint32_t count, Random random) {
    for (uint32_t i = count; i > 1; --i) {
        const uint32_t j = random(i);
        const T item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}

// Warps in any order, and the threads of each in any order.
void Worker::shuffle_starts() {
    const auto below = [this](uint32_t bound) { return random(bound); };
    uint32_t warps[max_block_threads / warp_lanes];
    for (uint32_t i = 0; i < warp_count_; ++i) {
        warps[i] = i;
    }
    shuffle_items(warps, warp_count_, below);
    uint32_t filled = 0;
    for (uint32_t i = 0; i < warp_count_; ++i) {
        const uint32_t begin = filled;
        for (uint32_t t = warps[i] * warp_lanes; t < thread_count_ && t < (warps[i] + 1) * warp_lanes; ++t) {
            starts_[filled++] = &threads_[t];
        }
        shuffle_items(starts_ + begin, filled - begin, below);
    }
}

// Released threads before new ones, so that a warp stays in the cache until it waits for the others. A seed mixes them.
Thread* Worker::next_thread() {
    const bool may_start = started_ < thread_count_;
    if (!ready_.empty() && !(launch_.seed != 0 && may_start && random(2) == 0)) {
        return ready_.pop();
    }
    return may_start ? starts_[started_++] : nullptr;
}

void Worker::release(Thread* const* threads, uint32_t count) {
    Thread* order[max_block_threads];
    for (uint32_t i = 0; i < count; ++i) {
        threads[i]->state = State::runnable;
        order[i] = threads[i];
    }
    if (launch_.seed != 0) {
        shuffle_items(order, count, [this](uint32_t bound) { return random(bound); });
    }
    for (uint32_t i = 0; i < count; ++i) {
        ready_.push(order[i]);
    }
}

// ---- A thread starts, waits, exits

inline void Worker::enter(Thread* thread) {
    current_ = thread;
    place.thread = thread->index;
    place.lane = thread->lane;
}

inline bool Worker::give_fiber(Thread* thread) {
    if (thread->fiber == nullptr) {
        thread->fiber = fibers_.take(fiber_start);
    }
    return thread->fiber != nullptr;
}

// The running thread waits; whoever can go on does.
void Worker::suspend() {
    Thread* const self = current_;
    Thread* const next = next_thread();
    if (next == self) {
        return;
    }
    if (next == nullptr) {
        abandon_stuck();
    }
    if (!give_fiber(next)) {
        describe_thread(*next, "got no memory for its stack");
        abandon(Defect::out_of_memory);
    }
    enter(next);
    pogw_host_switch(&self->fiber->saved, next->fiber->saved);
}

void Worker::fiber_loop() {
    for (;;) {
        launch_.function->call(launch_.args);
        Fiber* const own = current_->fiber;
        current_->state = State::exited;
        ++exited_;
        Thread* const next = next_thread();
        if (next != nullptr && next->fiber == nullptr) {
            next->fiber = own;
            enter(next);
            continue;
        }
        if (next == nullptr && exited_ != thread_count_) {
            abandon_stuck();
        }
        fibers_.give_back(own);
        if (next != nullptr) {
            enter(next);
        }
        // Taken from the pool again, this fiber goes round the loop with the thread it was taken for.
        pogw_host_switch(&own->saved, next != nullptr ? next->fiber->saved : host_context_);
    }
}

// ---- Barriers

void Worker::block_barrier() {
    current_->state = State::at_block_barrier;
    if (++at_block_barrier_ == thread_count_) {
        release_block();
    }
    suspend();
}

void Worker::release_block() {
    at_block_barrier_ = 0;
    Thread* all[max_block_threads];
    for (uint32_t i = 0; i < thread_count_; ++i) {
        all[i] = &threads_[i];
    }
    release(all, thread_count_);
}

uint64_t Worker::warp_meet(WarpOp op, uint32_t mask, uint64_t value, uint32_t source) {
    Thread& self = *current_;
    Warp& warp = warps_[self.warp];
    warp.lanes[self.lane] = Lane{op, mask, source, value};
    if ((mask >> self.lane & 1) == 0) {
        describe_thread(self, "is not in the mask of its own warp barrier");
        abandon(Defect::divergent_barrier);
    }
    self.state = State::at_warp_barrier;
    warp.waiting |= 1u << self.lane;
    const uint32_t members = mask & warp.present;
    if ((warp.waiting & members) == members) {
        complete(warp, members);
    }
    suspend();
    return warp.lanes[self.lane].value;
}

inline Thread* Worker::thread_of(const Warp& warp, uint32_t lane) {
    return &threads_[uint32_t(&warp - warps_) * warp_lanes + lane];
}

// All `members` wait: gives each its result and lets it go on.
void Worker::complete(Warp& warp, uint32_t members) {
    const Lane& own = warp.lanes[current_->lane];
    uint32_t votes = 0;
    uint64_t results[warp_lanes];
    Thread* released[warp_lanes];
    uint32_t count = 0;
    for (uint32_t rest = members; rest != 0; rest &= rest - 1) {
        const uint32_t i = uint32_t(__builtin_ctz(rest));
        const Lane& lane = warp.lanes[i];
        if (lane.op != own.op || lane.mask != own.mask) {
            describe_thread(*thread_of(warp, i), "waits at another warp barrier than the rest of its mask");
            abandon(Defect::divergent_barrier);
        }
        if (lane.op == WarpOp::shuffle) {
            if ((members >> lane.source & 1) == 0) {
                describe_thread(*thread_of(warp, i), "shuffles from a lane that does not take part");
                abandon(Defect::inactive_lane);
            }
            results[i] = warp.lanes[lane.source].value;
        }
        votes |= uint32_t(lane.value != 0) << i;
        released[count++] = thread_of(warp, i);
    }
    for (uint32_t rest = members; rest != 0; rest &= rest - 1) {
        const uint32_t i = uint32_t(__builtin_ctz(rest));
        warp.lanes[i].value = own.op == WarpOp::shuffle ? results[i] : votes;
    }
    warp.waiting &= ~members;
    release(released, count);
}

// ---- Defects

void Worker::describe_thread(const Thread& thread, const char* what) {
    const uint3 block = place.block;
    snprintf(error_, error_len_, "thread (%u, %u, %u) of block (%u, %u, %u) %s", thread.index.x, thread.index.y,
             thread.index.z, block.x, block.y, block.z, what);
}

void Worker::abandon(Defect defect) {
    defect_ = defect;
    pogw_host_resume(host_context_);
}

// No thread can go on, and not all have exited.
void Worker::abandon_stuck() {
    for (uint32_t i = 0; i < thread_count_; ++i) {
        const Thread& thread = threads_[i];
        if (thread.state != State::at_warp_barrier) {
            continue;
        }
        const Warp& warp = warps_[thread.warp];
        const uint32_t missing = warp.lanes[thread.lane].mask & warp.present & ~warp.waiting;
        const Thread& other = *thread_of(warp, uint32_t(__builtin_ctz(missing)));
        const bool exited = other.state == State::exited;
        char what[128];
        snprintf(what, sizeof what, "waits at a warp barrier for lanes 0x%x, the first of which %s", missing,
                 exited ? "has exited" : "waits at the barrier of the block");
        describe_thread(thread, what);
        abandon(exited ? Defect::exit_before_barrier : Defect::divergent_barrier);
    }
    uint32_t waiting = 0;
    while (threads_[waiting].state != State::at_block_barrier) {
        ++waiting;
    }
    char what[128];
    snprintf(what, sizeof what, "waits at the barrier of the block, but %u of %u threads have exited", exited_,
             thread_count_);
    describe_thread(threads_[waiting], what);
    abandon(Defect::exit_before_barrier);
}

} // namespace pogw_host
