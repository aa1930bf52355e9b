#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

namespace pogw_host {

// Ample for kernels, whose threads have a few hundred bytes of local arrays; only touched pages cost memory.
static const size_t stack_size = 64 * 1024;

// Where a stack begins within its first page differs from fiber to fiber. At the same place in every page, the hot ends
// of all stacks would share the same few sets of the CPU's first cache.
static size_t colour(size_t index) { return (index % 28) * 2 * 64; }

static size_t page_size() { return size_t(sysconf(_SC_PAGESIZE)); }

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
    const size_t guard = page_size();
    void* mapping = mmap(nullptr, guard + stack_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        return nullptr;
    }
    char* base = static_cast<char*>(mapping);
    if (mprotect(base + guard, stack_size, PROT_READ | PROT_WRITE) != 0) {
        munmap(mapping, guard + stack_size);
        return nullptr;
    }
    char* top = base + guard + stack_size - colour(count_);
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
    const size_t guard = page_size();
    for (size_t i = 0; i < count_; ++i) {
        if (at >= fibers_[i].mapping && at < fibers_[i].mapping + guard) {
            return true;
        }
    }
    return false;
}

} // namespace pogw_host
