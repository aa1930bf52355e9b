#include "context.h"

#include <ucontext.h>

namespace pogw_host {

#if defined(__x86_64__)

asm(R"(
.text
.p2align 4
.globl pogw_host_switch
.hidden pogw_host_switch
.type pogw_host_switch, @function
pogw_host_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rdi
.size pogw_host_switch, .-pogw_host_switch
.globl pogw_host_resume
.hidden pogw_host_resume
.type pogw_host_resume, @function
pogw_host_resume:
    movq %rdi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size pogw_host_resume, .-pogw_host_resume
)");

void* fresh_context(char* top, void (*start)()) {
    // Six registers, the address `ret` takes, and a null return address for `start`, which then finds its stack
    // aligned as after a call.
    void** sp = reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(top) & ~uintptr_t{15});
    *--sp = nullptr;
    *--sp = reinterpret_cast<void*>(start);
    for (int i = 0; i < 6; ++i) {
        *--sp = nullptr;
    }
    return sp;
}

// MXCSR (Intel SDM volume 1, 10.2.3): exceptions masked, round to nearest, neither FTZ nor DAZ.
static const uint32_t exact_mode = 0x1f80;

FloatMode::FloatMode() : saved_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(exact_mode); }
FloatMode::~FloatMode() { __builtin_ia32_ldmxcsr(uint32_t(saved_)); }

void resume_after_signal(void* context, void* load) {
    greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    registers[REG_RIP] = reinterpret_cast<greg_t>(&pogw_host_resume);
    registers[REG_RDI] = reinterpret_cast<greg_t>(load);
}

#elif defined(__aarch64__)

asm(R"(
.text
.p2align 4
.globl pogw_host_switch
.hidden pogw_host_switch
.type pogw_host_switch, %function
pogw_host_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov x0, x1
.size pogw_host_switch, .-pogw_host_switch
.globl pogw_host_resume
.hidden pogw_host_resume
.type pogw_host_resume, %function
pogw_host_resume:
    mov sp, x0
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size pogw_host_resume, .-pogw_host_resume
)");

void* fresh_context(char* top, void (*start)()) {
    void** sp = reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(top) & ~uintptr_t{15}) - 20;
    for (int i = 0; i < 20; ++i) {
        sp[i] = nullptr;
    }
    sp[11] = reinterpret_cast<void*>(start); // x30, the address `ret` takes
    return sp;
}

// FPCR (Arm ARM C5.2): round to nearest, no flush to zero, no default NaN, no traps.
FloatMode::FloatMode() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(uint64_t{0}) : "memory");
}
FloatMode::~FloatMode() { asm volatile("msr fpcr, %0" : : "r"(saved_) : "memory"); }

void resume_after_signal(void* context, void* load) {
    mcontext_t* machine = &static_cast<ucontext_t*>(context)->uc_mcontext;
    machine->pc = reinterpret_cast<uintptr_t>(&pogw_host_resume);
    machine->regs[0] = reinterpret_cast<uintptr_t>(load);
}

#else
#error "the host execution of kernels knows x86-64 and aarch64"
#endif

} // namespace pogw_host
