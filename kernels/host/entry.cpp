// What Rust calls (`src/host/ffi.rs`): find a function, run some blocks of a launch.
//
// In scope: idle workers, the floating-point mode, and the signals by which a kernel's faults come back as errors.

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "context.h"
#include "worker.h"

namespace pogw_host {

// Written by the build script: the modules of each build, ended by null.
extern "C" const Module* const* const pogw_host_builds[];

// ---- Faults

static const int caught_signals[] = {SIGSEGV, SIGBUS, SIGFPE};
static struct sigaction previous_actions[3];

static void pass_on(int signal, siginfo_t* info, void* ucontext) {
    for (int i = 0; i < 3; ++i) {
        if (caught_signals[i] != signal) {
            continue;
        }
        const struct sigaction& previous = previous_actions[i];
        if (previous.sa_flags & SA_SIGINFO) {
            previous.sa_sigaction(signal, info, ucontext);
        } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
            previous.sa_handler(signal);
        } else {
            sigaction(signal, &previous, nullptr); // the instruction faults again, now for the default action
        }
    }
}

static void on_fault(int signal, siginfo_t* info, void* ucontext) {
    Worker* worker = worker_of_this_thread();
    if (worker == nullptr || !worker->take_fault(signal, info->si_addr, ucontext)) {
        pass_on(signal, info, ucontext);
    }
}

static void install_handlers() {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < 3; ++i) {
        sigaction(caught_signals[i], &action, &previous_actions[i]);
    }
}

// A handler for an overflow needs a stack of its own. Threads of Rust have one; others get one for the time of a call.
class SignalStack {
  public:
    SignalStack() {
        stack_t present = {};
        if (sigaltstack(nullptr, &present) != 0 || (present.ss_flags & SS_DISABLE) == 0) {
            return;
        }
        void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            return;
        }
        stack_t own = {};
        own.ss_sp = memory_ = memory;
        own.ss_size = size;
        sigaltstack(&own, nullptr);
    }
    ~SignalStack() {
        if (memory_ != nullptr) {
            stack_t none = {};
            none.ss_flags = SS_DISABLE;
            sigaltstack(&none, nullptr);
            munmap(memory_, size);
        }
    }
    SignalStack(const SignalStack&) = delete;
    SignalStack& operator=(const SignalStack&) = delete;

  private:
    static const size_t size = 64 * 1024;
    void* memory_ = nullptr;
};

// ---- Idle workers, with their stacks: as many as ever ran at the same time

static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static Worker* idle_workers;

static Worker* take_worker() {
    pthread_mutex_lock(&idle_lock);
    Worker* worker = idle_workers;
    if (worker != nullptr) {
        idle_workers = worker->next_idle;
    }
    pthread_mutex_unlock(&idle_lock);
    return worker != nullptr ? worker : static_cast<Worker*>(calloc(1, sizeof(Worker)));
}

static void give_worker_back(Worker* worker) {
    pthread_mutex_lock(&idle_lock);
    worker->next_idle = idle_workers;
    idle_workers = worker;
    pthread_mutex_unlock(&idle_lock);
}

// ---- Entries

// The module table of `build` (0 is portable), ended by null; null if the program has no such build.
extern "C" const Module* const* pogw_host_modules(uint32_t build) {
    for (uint32_t i = 0; pogw_host_builds[i] != nullptr; ++i) {
        if (i == build) {
            return pogw_host_builds[i];
        }
    }
    return nullptr;
}

// Runs blocks `first_block .. first_block + block_count` of a launch on the calling thread. `args[i]` points to the
// i-th argument, of the type in the function's table. Returns a `Defect`; on one, `error` holds a sentence.
//
// The caller has checked: `1 <= block.x * block.y * block.z <= 1024`, the blocks lie in the grid, `error_len >= 1`.
extern "C" int pogw_host_run(const Function* function, const uint3* grid, const uint3* block, uint64_t first_block,
                             uint64_t block_count, void* const* args, uint64_t seed, char* error, size_t error_len) {
    static pthread_once_t handlers = PTHREAD_ONCE_INIT;
    pthread_once(&handlers, install_handlers);
    error[0] = '\0';
    Worker* worker = take_worker();
    if (worker == nullptr) {
        return int(Defect::out_of_memory);
    }
    const Launch launch = {function, args, *grid, *block, seed};
    Defect defect;
    {
        SignalStack signal_stack;
        FloatMode exact;
        defect = worker->run(launch, first_block, block_count, error, error_len);
    }
    give_worker_back(worker);
    return int(defect);
}

} // namespace pogw_host
