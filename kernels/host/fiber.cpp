#include "fiber.h"

#include <sys/mman.h>

namespace pogw_host {

// Out of reach below each stack. Whole pages of any size in use, and the distance at which GCC for aarch64 probes large
// frames (-fstack-clash-protection); on x86-64 it probes every 4 KiB.
static const size_t guard_size = 64 * 1024;

// Ample for kernels, whose threads have a few hundred bytes of local arrays; only touched pages cost memory.
static const size_t stack_size = 64 * 1024;

Fiber* FiberPool::take(void (*start)()) {
    if (free_ == nullptr) {
        return make(start);
    }
    Fiber* fiber = free_;
    free_ = fiber->next_free;
    return fiber;
}

Fiber* FiberPool::make(void (*start)()) {
    if (count_ == max_fibers) {
        return nullptr;
    }
    void* mapping = mmap(nullptr, guard_size + stack_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        return nullptr;
    }
    char* base = static_cast<char*>(mapping);
    if (mprotect(base + guard_size, stack_size, PROT_READ | PROT_WRITE) != 0) {
        munmap(mapping, guard_size + stack_size);
        return nullptr;
    }
    // Stacks at equal places in their pages would meet in the same few sets of a cache.
    char* top = base + guard_size + stack_size - count_ % 16 * 256;
    Fiber* fiber = &fibers_[count_++];
    *fiber = Fiber{fresh_context(top, start), base, top, nullptr};
    return fiber;
}

void FiberPool::abandon_all(void (*start)()) {
    free_ = nullptr;
    for (size_t i = count_; i-- > 0;) {
        fibers_[i].saved = fresh_context(fibers_[i].top, start);
        give_back(&fibers_[i]);
    }
}

bool FiberPool::is_guard(const void* address) const {
    const char* at = static_cast<const char*>(address);
    for (size_t i = 0; i < count_; ++i) {
        if (at >= fibers_[i].mapping && at < fibers_[i].mapping + guard_size) {
            return true;
        }
    }
    return false;
}

} // namespace pogw_host
