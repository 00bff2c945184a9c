# SPDX-License-Identifier: GPL-2.0
"""Run by gdb: follows a call of a function from one instruction to the next, and writes down what each writes to.

$FOLLOW_SOCKET is the guest's. $FOLLOW_FUNCTION and $FOLLOW_CURRENT are the addresses of the function and of the
kernel's per-CPU variable current_task. $FOLLOW_OUTPUT gets a JSON object: "stack", "task" and "packet" are addresses in
each, and "steps" has [address, instruction, address written] for each instruction.
"""

import json
import os
import re
from pathlib import Path

import gdb

# [segment:]displacement(base,index,scale), as gdb writes memory; the last operand is what is written to.
MEMORY = re.compile(
    r"(?:^|[ ,])(?:%(?P<segment>\w\w):)?(?P<displacement>-?0x[0-9a-f]+)?"
    r"(?P<registers>\((?:%(?P<base>\w+))?(?:,%(?P<index>\w+)(?:,(?P<scale>\d))?)?\))?$"
)
# Instructions with a memory operand or a target that they do not write to.
ONLY_READ = re.compile(r"^(?:[cd]s )?(?:(?:cmp|test|lea|nop|bt|i?mul|i?div|ud\d)[bwlq]? |prefetch|j\w+ |notrack|loop)")
PUSH = re.compile(r"^(push|call)")
STRING = re.compile(r"^(rep\w* )?(stos|movs)")


def register(name: str) -> int:
    return int(gdb.parse_and_eval(f"(unsigned long)${name}")) & (1 << 64) - 1


def written(instruction: str, next_address: int) -> str | int | None:
    """Returns where an instruction is about to write: an address, or the segment of per-CPU memory."""
    if STRING.match(instruction):
        return register("rdi")
    if PUSH.match(instruction):
        return register("rsp") - 8
    # gdb appends the target of a %rip-relative operand behind '#'.
    found = MEMORY.search(instruction.partition(" #")[0].partition(" ")[2])
    if ONLY_READ.match(instruction) or not found or not (found["registers"] or found["displacement"]):
        return None
    if found["segment"]:
        return found["segment"]
    address = int(found["displacement"] or "0", 16)
    if found["base"]:
        address += next_address if found["base"] == "rip" else register(found["base"])
    if found["index"]:
        address += register(found["index"]) * int(found["scale"] or 1)
    return address & (1 << 64) - 1


def word_at(address: int) -> int:
    return int.from_bytes(gdb.selected_inferior().read_memory(address & (1 << 64) - 1, 8).tobytes(), "little")


def follow(function: int, current: int) -> dict:
    breakpoint_ = gdb.Breakpoint(f"*{function:#x}", type=gdb.BP_HARDWARE_BREAKPOINT)
    gdb.execute("continue", to_string=True)
    breakpoint_.delete()
    stack = register("rsp")
    back = word_at(stack)
    task = word_at(register("gs_base") + current)
    result = {"stack": stack, "task": task, "packet": register("rsi"), "steps": []}
    disassembled: dict[int, tuple[str, int]] = {}

    while (at := register("rip")) != back:
        if at not in disassembled:
            [found] = gdb.selected_inferior().architecture().disassemble(at)
            disassembled[at] = " ".join(found["asm"].split()), found["length"]
        instruction, length = disassembled[at]
        result["steps"].append([at, instruction, written(instruction, at + length)])
        gdb.execute("stepi", to_string=True)
    return result


gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute("set architecture i386:x86-64")
gdb.execute(f"target remote {os.environ['FOLLOW_SOCKET']}")
followed = follow(int(os.environ["FOLLOW_FUNCTION"], 16), int(os.environ["FOLLOW_CURRENT"], 16))
Path(os.environ["FOLLOW_OUTPUT"]).write_text(json.dumps(followed))
gdb.execute("detach")
