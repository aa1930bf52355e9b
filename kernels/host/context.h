// Switching stacks, on x86-64 and aarch64 (System V calling convention).

#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pogw_host {

// Saves the registers a callee must keep on the running stack, stores its pointer at `save`, and goes on where
// `load` was saved.
extern "C" void pogw_host_switch(void** save, void* load);

// The second half of the switch: goes on where `load` was saved, and forgets the running stack.
extern "C" [[noreturn]] void pogw_host_resume(void* load);

// A saved state that enters `start`, which must not return, on the stack that ends at `top`.
void* fresh_context(char* top, void (*start)());

// The floating-point mode that exact kernels need: round to nearest, subnormals kept, no traps. The caller's own is
// restored at the end of the scope.
class FloatMode {
  public:
    FloatMode();
    ~FloatMode();
    FloatMode(const FloatMode&) = delete;
    FloatMode& operator=(const FloatMode&) = delete;

  private:
    uint64_t saved_;
};

// Makes the interrupted code of a signal handler's `ucontext` go on at `pogw_host_resume(load)`.
void resume_after_signal(void* ucontext, void* load);

} // namespace pogw_host
