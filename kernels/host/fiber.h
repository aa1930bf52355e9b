// Stacks for fibers: made when first needed, kept for the next block, each above memory that faults.

#pragma once

#include "context.h"

namespace pogw_host {

// A stack with a saved state on it.
struct Fiber {
    void* saved;
    char* mapping; // begins with the guard
    char* top;
    Fiber* next_free;
};

// The fibers of one worker. Never given back: the next launch wants them again.
class FiberPool {
  public:
    // A fiber that enters `start` or goes on inside it; null when the system gives no memory.
    Fiber* take(void (*start)());

    void give_back(Fiber* fiber) {
        fiber->next_free = free_;
        free_ = fiber;
    }

    // Makes every fiber new and free: nothing goes on where it was left.
    void abandon_all(void (*start)());

    // Whether an access to `address` is an overflow of a stack.
    bool is_guard(const void* address) const;

  private:
    Fiber* make(void (*start)());

    static const size_t max_fibers = 1024;
    Fiber fibers_[max_fibers];
    size_t count_;
    Fiber* free_;
};

} // namespace pogw_host
