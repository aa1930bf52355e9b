"""Rules for the machine code: what the assembler made of exactly rounded PTX is exactly rounded still.

In scope: every floating-point instruction of every function must be one of those listed here. Out of scope: integers,
memory, control flow; and whether the GPU does what the instruction says, which nothing here can see.

Division, square root and reciprocal have no instruction. `ptxas` makes them of an approximation (MUFU), steps that repair
it with FFMA, and a call of a routine of its own for operands at the edge of the range; integer division likewise. So an
approximation is allowed where its exact ending is beside it, and in NVIDIA's routines. Their names are listed; what is in
them is NVIDIA's.
"""

import re
import struct
from collections import Counter
from dataclasses import dataclass

from .toolchain import run

FUNCTION = re.compile(r"^\s*\.type\s+(\S+),@function")
INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:\{\s*)?(?:@!?U?P\w+\s+)?([A-Z][\w.]*)\s*(.*?)\s*;")

# Routines of ptxas, by the end of their names: the slow paths of div.rn, rcp.rn and sqrt.rn, and 64-bit division.
DIVISION = "__cuda_sm3x_div_rn_noftz_f32_slowpath"
RECIPROCAL = "__cuda_sm20_rcp_rn_f32_slowpath"
ROOT = "__cuda_sm20_sqrt_rn_f32_slowpath"
ROUTINES = [DIVISION, RECIPROCAL, ROOT] + [f"__cuda_sm20_{op}_{type}64" for op in ("div", "rem") for type in "us"]

# FLO finds a bit and DEPBAR waits; every other name that begins so computes with floats.
FLOAT = re.compile(r"U?(F(?!LO\b|ENCE)|H|D(?!EPBAR)|MUFU|I2F|F2|R2F|[QO]G?MMA|UTC)")
ATOMIC = re.compile(r"(RED|ATOM)\w*\b.*\.(F16|F32|F64|BF16)")
# Correctly rounded to nearest, exact, or integer-valued by a stated rounding. FMNMX.NAN is what ptxas makes of a comparison
# and a selection that keep NaN; which NaN it keeps is of no interest, since none reaches an output. FADD.SAT is what it makes
# of an addition and a clamp to [0, 1]: NaN becomes +0, as pg_clamp has it.
EXACT = re.compile(
    r"U?(FADD(\.SAT)?|FMUL|FFMA|FSEL|FMNMX3?(\.NAN)?|FCHK"
    r"|FSETP\.\w+\.\w+|FRND(\.FLOOR|\.CEIL|\.TRUNC)?"
    r"|F2I(P|\.S64|\.U64|\.U32)?(\.FLOOR|\.CEIL|\.TRUNC)?(\.NTZ)?|I2FP?(\.F32)?(\.[SU](8|16|32|64))?(\.B[0-3])?"
    r"|F2FP\.BF16\.F32\.PACK_AB)"
)
# Bits to a register by way of a multiplication with zero.
LOAD_IMMEDIATE = re.compile(r"U?R\d+, -RZ, RZ, \S+, \S+")
NEGATION = re.compile(r"U?R\d+, -U?R\d+, -RZ")
# Tensor cores in floating point: the one product that is specified, on the one architecture.
TENSOR = re.compile(r"HGMMA\.64x\d+x16\.F32\.BF16")
INTEGER_TO_FLOAT_UP = re.compile(r"U?I2F(\.U32|\.U64)?\.RP")


@dataclass(frozen=True)
class Fault:
    """A rule that a function breaks."""

    code: str
    function: str
    told: str

    def __str__(self):
        return f"{self.code}: {self.function}: {self.told}"


def disassemble(cubin, toolchain):
    """Instructions by function: (name with modifiers, operands)."""
    functions = {}
    body = []
    for line in run([toolchain.nvdisasm, "-c", cubin.file]).splitlines():
        if found := FUNCTION.search(line):
            body = functions.setdefault(found[1], [])
        elif found := INSTRUCTION.search(line):
            body.append((found[1], found[2]))
    return functions


def code(cubin):
    """The bytes of every function's machine code, by section name, out of the ELF file."""
    file = cubin.file.read_bytes()
    table, size, count, names = struct.unpack_from("<Q", file, 0x28) + struct.unpack_from("<HHH", file, 0x3A)
    # Of a section header: name, offset, length.
    headers = [struct.unpack_from("<I20xQQ", file, table + index * size) for index in range(count)]
    name_at = headers[names][1]
    named = ((file[name_at + name :].split(b"\0", 1)[0], offset, length) for name, offset, length in headers)
    return {name: file[offset : offset + length] for name, offset, length in named if name.startswith(b".text")}


def faults(functions, hopper_only):
    """Every rule that machine code breaks."""
    told = []
    for function, body in functions.items():
        if not routine(function):
            told += _of_function(function, body, hopper_only)
    return told


def routine(function):
    """Which of ptxas's own routines this is, if any. Its name for one begins with `$`, which no entry's can."""
    if not function.startswith("$"):
        return None
    return next((name for name in ROUTINES if function.endswith("$" + name)), None)


def _of_function(function, body, hopper_only):
    budget = _endings(body)
    for name, operands in body:
        code = _judge(name, operands, budget, hopper_only)
        if code:
            yield Fault(code, function, f"{name} {operands}")


def _endings(body):
    """How many inexact instructions of each kind have their exact ending in this function."""
    calls = Counter()
    for name, operands in body:
        if name.startswith("CALL"):
            calls.update([ending for ending in ROUTINES if f"${ending})" in operands])
    integer = sum(1 for name, _ in body if INTEGER_TO_FLOAT_UP.fullmatch(name))
    return Counter({
        "MUFU.RCP": calls[DIVISION] + calls[RECIPROCAL] + integer,
        "MUFU.RSQ": calls[ROOT],
        # Two products of an approximate root whose operand the range check has found normal.
        "FMUL.FTZ": 2 * calls[ROOT],
        "FADD.FTZ": calls[RECIPROCAL],
        "F2I.FTZ.U32.TRUNC.NTZ": integer,
    })  # fmt: skip


def _judge(name, operands, budget, hopper_only):
    """The rule that one instruction breaks, or nothing."""
    if ATOMIC.match(name):
        return "float_atomic"
    if not FLOAT.match(name):
        return None
    plain = name.removeprefix("U") if name.startswith(("UMUFU", "UF", "UI2F")) else name
    if INTEGER_TO_FLOAT_UP.fullmatch(name):
        return None
    if plain in budget:
        if plain == "FADD.FTZ" and not NEGATION.fullmatch(operands):
            return "flush_to_zero"
        budget[plain] -= 1
        if budget[plain] >= 0:
            return None
    if "MUFU" in name:
        return "approximate"
    if ".FTZ" in name:
        return "flush_to_zero"
    if plain in ("HFMA2", "HFMA2.MMA") and LOAD_IMMEDIATE.fullmatch(operands):
        return None
    if hopper_only and TENSOR.match(name):
        return None
    return None if EXACT.fullmatch(name) else "float_instruction"
