"""From `kernels/cuda/*.cu` to the modules in `kernels/ptx`, and what can be checked of them without a GPU.

toolchain   which compilers and assemblers, how they are installed and run
modules     sources to PTX text and its sums
assembly    PTX to machine code for every target: registers, spills, shared memory
sass        rules for the machine code

The rules for the PTX text itself are in `kernels/tests/suite/`, where `cargo test` holds them without any of these tools.
"""
