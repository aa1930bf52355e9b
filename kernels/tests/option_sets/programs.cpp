// Runs a program of one module, compiled with some option set: suite/program_sets.rs writes the program to a file,
// whose name is the argument, and reads the outputs from standard output. POGW_MODULE is the module's source.
//
// The file: little-endian 64-bit numbers; texts and buffers as their length, then their bytes.
#include "cuda_host.h"

namespace {
#include POGW_MODULE
} // namespace

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace pogw_host {
extern "C" {
static const Module* const modules[] = {&pogw_module, nullptr};
extern const Module* const* const pogw_host_builds[];
const Module* const* const pogw_host_builds[] = {modules, nullptr};
int pogw_host_run(const Function* function, const uint3* grid, const uint3* block, uint64_t first_block,
                  uint64_t block_count, void* const* args, uint64_t seed, char* error, size_t error_len);
}
} // namespace pogw_host

static FILE* file;

[[noreturn]] static void fail(const std::string& why) {
    fprintf(stderr, "%s\n", why.c_str());
    exit(1);
}

static void read(void* to, size_t len) {
    if (len != 0 && fread(to, 1, len, file) != len) fail("the file is cut short");
}
static uint64_t number() {
    uint64_t value;
    read(&value, sizeof value);
    return value;
}
static std::string text() {
    std::string text(number(), '\0');
    read(&text[0], text.size());
    return text;
}
static uint3 size() {
    uint3 size;
    size.x = uint32_t(number());
    size.y = uint32_t(number());
    size.z = uint32_t(number());
    return size;
}

static std::vector<std::string> buffers;

// A pointer to a place in a buffer, or the bits of a number.
static uint64_t argument() {
    const uint64_t is_buffer = number();
    if (is_buffer == 0) return number();
    std::string& buffer = buffers.at(number());
    return reinterpret_cast<uint64_t>(&buffer[0] + number());
}

static void launch() {
    const std::string name = text();
    const uint3 grid = size(), block = size();
    std::vector<uint64_t> values(number());
    std::vector<void*> args;
    for (uint64_t& value : values) {
        value = argument();
        args.push_back(&value);
    }
    for (size_t i = 0; i < pogw_module.function_count; ++i) {
        const pogw_host::Function& function = pogw_module.functions[i];
        if (name != function.name) continue;
        if (function.param_count != args.size()) fail(name + ": wrong number of arguments");
        char error[256];
        const uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
        if (pogw_host::pogw_host_run(&function, &grid, &block, 0, blocks, args.data(), 0, error, sizeof error) != 0) {
            fail(name + ": " + error);
        }
        return;
    }
    fail(name + ": no such function");
}

int main(int argc, char** argv) {
    file = argc == 2 ? fopen(argv[1], "rb") : nullptr;
    if (file == nullptr) fail("usage: programs FILE");
    for (uint64_t count = number(); count > 0; --count) buffers.push_back(text());
    for (uint64_t count = number(); count > 0; --count) launch();
    for (uint64_t count = number(); count > 0; --count) {
        const std::string& output = buffers.at(number());
        fwrite(output.data(), 1, output.size(), stdout);
    }
    return 0;
}
