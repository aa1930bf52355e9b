"""Machine code for every target, and what it takes: registers, stack, spills, shared memory.

In scope: which assembler judges which target; the table `resources.tsv`. Out of scope: whether the machine code may
contain what it contains (sass).
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

from .toolchain import PTX, Assembler, Failure, run

TABLE = PTX / "resources.tsv"
COLUMNS = "module function target ptxas registers stack spill_stores spill_loads shared".split()

OLDEST_TARGETS = ["sm_80", "sm_90"]
NEWEST_TARGETS = ["sm_80", "sm_90", "sm_100", "sm_120"]

ENTRY = re.compile(r"Compiling entry function '(\S+)' for")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")
# What an assembler says of code that works and should not be shipped.
COMPLAINT = re.compile(r"warning|Potential Performance Loss", re.IGNORECASE)


@dataclass(frozen=True)
class Cubin:
    """Machine code of one module for one target by one assembler."""

    module: str
    target: str
    assembler: Assembler
    file: Path
    rows: tuple

    def __str__(self):
        return f"{self.module} for {self.target} by ptxas {self.assembler.name}"


def jobs(hopper_only, toolchain):
    """Pairs of assembler and target that must accept a module."""
    if hopper_only:
        return [(toolchain.oldest, "sm_90a"), (toolchain.newest, "sm_90a")]
    oldest = [(toolchain.oldest, target) for target in OLDEST_TARGETS]
    return oldest + [(toolchain.newest, target) for target in NEWEST_TARGETS]


def assemble_all(modules, toolchain, folder):
    """Every module of `modules` (name, PTX file, hopper_only) by every assembler for every target."""
    wanted = [(name, ptx, *job) for name, ptx, hopper_only in modules for job in jobs(hopper_only, toolchain)]
    with ThreadPoolExecutor(cpu_count()) as pool:
        return list(pool.map(lambda one: assemble(*one, folder), wanted))


def assemble(name, ptx, assembler, target, folder, options=()):
    """One module by one assembler for one target. An unresolved extern fails here, since nothing is linked after it."""
    file = folder / f"{name}.{target}.{assembler.name}{''.join(options)}.cubin"
    said = run([assembler.program, "-v", f"-arch={target}", *options, ptx, "-o", file])
    complaints = [line for line in said.splitlines() if COMPLAINT.search(line)]
    if complaints:
        raise Failure(f"{name} for {target}: " + "\n".join(complaints))
    return Cubin(name, target, assembler, file, tuple(rows(name, target, assembler.name, said)))


def rows(module, target, assembler, said):
    """One row per entry function out of what `ptxas -v` prints."""
    function = frame = None
    for line in said.splitlines():
        if found := ENTRY.search(line):
            function = found[1]
        elif found := FRAME.search(line):
            frame = found.groups()
        elif (found := USED.search(line)) and function:
            yield module, function, target, assembler, found[1], *frame, found[2] or "0"
            function = None


def spills(cubin):
    """Whether any function keeps values in memory for want of registers."""
    return any(int(row[COLUMNS.index(column)]) for row in cubin.rows for column in ("spill_stores", "spill_loads"))


def table(cubins):
    """`resources.tsv`."""
    lines = sorted(row for cubin in cubins for row in cubin.rows)
    return "".join("\t".join(line) + "\n" for line in [COLUMNS, *lines])


def differences(recorded, found):
    """What of a table is not as recorded, one sentence each, worst first."""
    before, after = _by_function(recorded), _by_function(found)
    told = [f"{key}: recorded, but there is no such function now" for key in before.keys() - after.keys()]
    told += [f"{key}: not recorded" for key in after.keys() - before.keys()]
    for key in sorted(before.keys() & after.keys()):
        for column, old, new in zip(COLUMNS[4:], before[key], after[key]):
            if old != new:
                told.append(f"{key}: {column} {'up' if int(new) > int(old) else 'down'} from {old} to {new}")
    return sorted(told)


def _by_function(text):
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return {" ".join(row[:4]): row[4:] for row in rows}
