# SPDX-License-Identifier: GPL-2.0
"""Boots a guest, runs one command in it and ends as the command ended.

A guest that ends in any other way (panic, hang, time-out), or whose kernel complained
while the command ran, is a failure of its own, told with the end of the console.
"""

import argparse
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from vm.console import Console, new_log
from vm.guest import Guest, architecture, job_folder, kvm_works, say
from vm.pace import Limit

EXIT_USAGE = 2
EXIT_TIMEOUT = 124
EXIT_GUEST = 125
EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE

# Without it, slabs keep pointers to allocated objects in arrays (sheaves), where
# kmemleak finds them, so that most leaks count as referenced.
DEBUG_ARGS = ["slab_debug=F"]
# The names here, and those of scripts/debug-kernel.
DEBUG_KERNELS = {"debug": "kasan", "kcsan": "kcsan", "debug-rt": "rt"}
TABLE = Path(__file__).resolve().parents[2] / "root.d/kernels"


def parse_args() -> argparse.Namespace:
    p = argparse.ArgumentParser(
        prog="scripts/vm",
        usage="%(prog)s [OPTIONS] -- COMMAND [ARGUMENT...]",
        description="Boots a kernel in a virtual machine on the build environment's "
        "files and runs COMMAND there as root, in the current folder. The checkout and "
        "the cache are writable there, everything else is as good as new.",
        epilog="Exit status: COMMAND's (128 + N if signal N killed it); "
        f"{EXIT_TIMEOUT} after a time-out; {EXIT_GUEST} when the guest died or its kernel "
        "complained, which is also said on standard error.",
    )
    p.add_argument(
        "--kernel",
        default="stock",
        metavar="NAME|stock|debug|kcsan|debug-rt|PATH",
        help="a kernel of the distribution, by its name in scripts/root.d/kernels (default: the "
        "build environment's, which NF_TRACER_KERNEL chooses), one that scripts/debug-kernel builds of its source "
        "(on first use: 5 to 15 minutes), with KASAN, KCSAN or PREEMPT_RT, an image, or a build folder",
    )
    p.add_argument("--cpus", type=int, default=2, metavar="N", help="default: 2")
    p.add_argument("--mem", default="2G", metavar="SIZE", help="default: 2G")
    p.add_argument(
        "--icount",
        action="store_true",
        help="one CPU and a clock that counts instructions: 1 ns is 1 instruction",
    )
    p.add_argument(
        "--timeout",
        type=float,
        default=900,
        metavar="SECONDS",
        help="end the guest after this long, boot included (default: 900), each second counting for "
        "as much as the machine does in it, if that is less than two idle cores do",
    )
    p.add_argument(
        "--append",
        action="append",
        default=[],
        metavar="ARGS",
        help="kernel arguments, separated by spaces; may be given more than once",
    )
    p.add_argument(
        "--qemu",
        action="append",
        default=[],
        metavar="ARGS",
        help="arguments of QEMU's, separated by spaces; may be given more than once",
    )
    p.add_argument(
        "--allow-warnings",
        action="store_true",
        help="a report of the kernel that it goes on after (WARNING) is no failure",
    )
    p.add_argument(
        "--gdb",
        metavar="SOCKET",
        help="let gdb debug the kernel, with 'target remote SOCKET'",
    )
    p.add_argument("command", nargs="+", metavar="COMMAND", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.cpus < 1 or not 0 < args.timeout < math.inf:
        p.error("--cpus and --timeout want a number above 0")
    if not re.fullmatch(r"[1-9]\d*[MG]", args.mem):
        p.error("--mem wants a number above 0 with M or G behind, such as 2G")
    if args.icount:
        args.cpus = 1
    return args


def table() -> list[str]:
    """Returns the names of the distribution's kernels, the default first."""
    rows = (line.split() for line in TABLE.read_text().splitlines())
    return [row[0] for row in rows if row and row[0] != "#"]


def debug_kernel(finder: str) -> Path:
    """Returns a debug kernel's build folder. Exits if it cannot be built."""
    # Their configurations are x86's.
    if os.environ["NF_TRACER_ROOT_ARCHITECTURE"] != "amd64":
        here = os.environ["NF_TRACER_ROOT_KERNEL"]
        say(f"the debug kernels are amd64's, and this is the build environment of {here}")
        sys.exit(EXIT_USAGE)
    builder = Path(__file__).resolve().parents[2] / "debug-kernel"
    built = subprocess.run([builder, finder], stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode:
        sys.exit(EXIT_GUEST)
    return Path(built.stdout.strip())


def kernel_options(name: str) -> list[str]:
    """Returns virtme-run's options for the kernel and its modules. Exits if there is no such kernel."""
    if name in ("stock", os.environ["NF_TRACER_ROOT_KERNEL"]):
        return ["--kimg", f"/boot/vmlinuz-{os.environ['NF_TRACER_ROOT_RELEASE']}", "--mods", "auto"]
    path = debug_kernel(DEBUG_KERNELS[name]) if name in DEBUG_KERNELS else Path(name).resolve()
    # A kernel that boots without modules still needs the initramfs, which finds our init.
    if (path / architecture().image).is_file():
        return ["--kdir", str(path), "--mods", "auto", "--force-initramfs"]
    if (path / "vmlinux").is_file():
        return ["--kimg", str(path / "vmlinux"), "--mods", "none", "--force-initramfs"]
    if path.is_file():
        return ["--kimg", str(path), "--mods", "auto", "--force-initramfs"]
    say(f"no kernel '{name}': there are {' '.join(table())} stock {' '.join(DEBUG_KERNELS)}, images, and build folders")
    sys.exit(EXIT_USAGE)


def judge(guest: Guest, log: Path, allow_warnings: bool) -> int:
    """Returns the exit status for a guest that has gone down by itself."""
    console = Console(log)
    status = guest.status()
    if status is None:
        cause = console.cause_of_death()
        if not cause:
            when = "while the command ran" if console.command_started else "at boot"
            cause = f"it went down {when} without a word of the kernel"
        return failed(f"the guest died{'' if kvm_works() else ', emulated'}: {cause}", console)
    splats = console.splats()
    if splats and not allow_warnings:
        return failed(
            f"the guest's kernel complained: {splats[0]} ({len(splats)} reports; "
            f"the command ended with status {status})",
            console,
        )
    return status


def failed(text: str, console: Console, status: int = EXIT_GUEST) -> int:
    print(console.end(), file=sys.stderr)
    say(text)
    return status


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    args = parse_args()
    kernel = kernel_options(args.kernel)
    log = new_log()
    say(f"console log: {log}")
    with job_folder(args.command) as job:
        guest = Guest(
            job,
            log,
            kernel=kernel,
            cpus=args.cpus,
            memory=args.mem,
            icount=args.icount,
            append=[
                *(DEBUG_ARGS if args.kernel in DEBUG_KERNELS else []),
                *(arg for args in args.append for arg in args.split()),
            ],
            qemu=[
                *(["-gdb", f"unix:{args.gdb},server=on,wait=off"] if args.gdb else []),
                *(arg for args in args.qemu for arg in args.split()),
            ],
        )
        try:
            guest.wait(Limit(args.timeout))
        except subprocess.TimeoutExpired:
            guest.end()
            console = Console(log)
            what = "its command" if console.command_started else "the boot"
            text = f"time-out: the guest was ended after {args.timeout:g} s, in {what}"
            return failed(text, console, EXIT_TIMEOUT)
        finally:
            guest.end()
        if guest.output_broken:
            return EXIT_BROKEN_PIPE
        return judge(guest, log, args.allow_warnings)


def on_signal(number: int, _frame: object) -> None:
    sys.exit(128 + number)
