// What a compiled module says about itself: its functions, their parameters, and how to call them with `void** args`.
//
// In scope: the tables that `POGW_TABLE` makes of the functions of a module. Out of scope: which modules exist; the
// build script lists the folder and writes that table.

#pragma once

#include <stddef.h>
#include <stdint.h>

#include <type_traits>
#include <utility>

namespace pogw_host {

// The numbers are shared with `src/host/ffi.rs`.
enum class ParamKind : uint32_t { pointer = 0, u32 = 1, u64 = 2, i32 = 3, f32 = 4 };

struct Param {
    ParamKind kind;
    uint32_t align; // of what a pointer points to; 1 for `void*`
};

struct Function {
    const char* name;
    void (*call)(void* const* args); // runs one CUDA thread; args[i] points to the i-th argument, as for cuLaunchKernel
    const Param* params;
    size_t param_count;
};

struct Module {
    const char* name;
    const Function* functions;
    size_t function_count;
};

template <class Pointee> constexpr uint32_t pointee_align() {
    if constexpr (std::is_void_v<Pointee>) {
        return 1;
    } else {
        return alignof(Pointee);
    }
}

template <class T> constexpr Param describe() {
    if constexpr (std::is_pointer_v<T>) {
        return {ParamKind::pointer, pointee_align<std::remove_pointer_t<T>>()};
    } else if constexpr (std::is_same_v<T, float>) {
        return {ParamKind::f32, 1};
    } else {
        static_assert(std::is_integral_v<T> && (sizeof(T) == 4 || (sizeof(T) == 8 && std::is_unsigned_v<T>)),
                      "a kernel takes pointers, u32, u64, i32 and float only");
        return {sizeof(T) == 8 ? ParamKind::u64 : std::is_unsigned_v<T> ? ParamKind::u32 : ParamKind::i32, 1};
    }
}

template <auto Kernel, class Signature> struct Entry;

template <auto Kernel, class... Params> struct Entry<Kernel, void (*)(Params...)> {
    // One element more than there are parameters: an array of none is not C++.
    static constexpr Param params[sizeof...(Params) + 1] = {describe<std::remove_cv_t<Params>>()...};

    template <size_t... I> static void unpack(void* const* args, std::index_sequence<I...>) {
        Kernel(*static_cast<std::remove_cv_t<Params>*>(args[I])...);
    }

    static void call([[maybe_unused]] void* const* args) {
        unpack(args, std::index_sequence_for<Params...>{});
    }

    static constexpr Function describe_as(const char* name) {
        return {name, &call, params, sizeof...(Params)};
    }
};

} // namespace pogw_host

#define POGW_KERNEL static void

#define POGW_ENTRY(function) ::pogw_host::Entry<&function, decltype(&function)>::describe_as(#function),

#define POGW_TABLE(module, entries)                                                                                    \
    static constexpr ::pogw_host::Function pogw_functions[] = {entries};                                               \
    static constexpr ::pogw_host::Module pogw_module = {#module, pogw_functions,                                       \
                                                        sizeof pogw_functions / sizeof pogw_functions[0]};
