# SPDX-License-Identifier: GPL-2.0
"""Boots, runs and ends a guest, by virtme-ng."""

import contextlib
import ctypes
import dataclasses
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from vm.console import cache_dir
from vm.pace import Limit, slowness

HERE = Path(__file__).resolve().parents[1]

KERNEL_ARGS = [
    # Avoid what costs time under emulation and is of no use here.
    *("mitigations=off", "cryptomgr.notests=1", "audit=0", "apparmor=0"),
    # The module's lines stay off the slow console, warnings do not.
    *("loglevel=5", "log_buf_len=64M", "printk.devkmsg=on"),
    # Every failure ends the guest at once (virtme-run adds panic=-1 and -no-reboot).
    *("oops=panic", "softlockup_panic=1", "hung_task_panic=1"),
]


def watchdog_args() -> list[str]:
    """Returns kernel arguments that scale the watchdogs' defaults with this machine's slowness."""
    slow = slowness()
    return [
        f"watchdog_thresh={min(60, round(10 * slow))}",
        f"rcupdate.rcu_cpu_stall_timeout={min(300, round(21 * slow))}",
        f"sysctl.kernel.hung_task_timeout_secs={round(120 * slow)}",
    ]


def root_disk() -> list[str]:
    """Returns QEMU's options for the disk with the build environment; a guest's writes are not kept."""
    image = os.environ["NF_TRACER_ROOT_IMAGE"]
    drive = f"file={image},format=raw,if=none,id=root,snapshot=on"
    return ["-drive", drive, "-device", "virtio-blk-pci,drive=root,serial=root"]


@dataclasses.dataclass
class Architecture:
    """What differs from one architecture of guests to another."""

    machine: str
    """As uname and QEMU call it."""
    image: str
    """Where a kernel's build has its image."""
    cpu: str
    """QEMU's model for emulation."""
    kernel_args: tuple[str, ...] = ()


# By Debian's names.
ARCHITECTURES = {
    "amd64": Architecture(
        machine="x86_64",
        image="arch/x86/boot/bzImage",
        # virtme-ng's default model, with the random numbers that a guest without devices lacks:
        # its random pool takes minutes to fill otherwise.
        cpu="qemu64,+rdrand",
        kernel_args=("tsc=reliable", "no_timer_check"),
    ),
    "arm64": Architecture(
        machine="aarch64",
        image="arch/arm64/boot/Image",
        # Pointer authentication by the architecture's own algorithm takes half of the emulator's time.
        cpu="max,pauth-impdef=on",
    ),
}


def architecture() -> Architecture:
    """Returns that of the build environment's kernel."""
    return ARCHITECTURES[os.environ["NF_TRACER_ROOT_ARCHITECTURE"]]


def is_native() -> bool:
    """Returns whether guests are of the machine's own architecture."""
    return architecture().machine == platform.machine()


def foreign_options() -> list[str]:
    """Returns virtme-run's options for guests of another architecture, which have files of their own."""
    if is_native():
        return []
    root = os.environ["NF_TRACER_ROOT_GUEST"]
    return ["--arch", architecture().machine, "--root", root, "--busybox", f"{root}/usr/bin/busybox"]


def kvm_works() -> bool:
    """Returns whether KVM is usable: /dev/kvm may exist without the CPU's support."""
    if not is_native() or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    if platform.machine() != "x86_64":
        return True
    with Path("/proc/cpuinfo").open() as cpuinfo:
        flags = next((line.split() for line in cpuinfo if line.startswith("flags")), [])
    return bool({"vmx", "svm"} & set(flags))


def machine_options(icount: bool) -> tuple[list[str], list[str]]:
    """Returns the options of virtme-run and of QEMU that describe the machine."""
    emulated = ["-cpu", architecture().cpu]
    if icount:
        return ["--disable-kvm"], ["-icount", "shift=0,sleep=off", *emulated]
    if kvm_works():
        return ["--disable-microvm"], []
    return ["--disable-kvm"], ["-accel", "tcg,thread=multi", *emulated]


@contextlib.contextmanager
def job_folder(command: list[str]) -> Iterator[Path]:
    """Makes the folder that carries the command to scripts/vm.d/init and the status back.

    It lies in /tmp because virtme-ng's initramfs takes no path with a space for init.
    """
    job = Path(tempfile.mkdtemp(prefix="vm-", dir="/tmp"))
    try:
        shutil.copy(HERE / "init", job)
        cache_dir().mkdir(parents=True, exist_ok=True)
        for name, values in (
            ("argv", command),
            ("cwd", [str(Path.cwd())]),
            ("env", [f"{name}={value}" for name, value in os.environ.items()]),
            ("writable", [str(HERE.parent.parent), str(cache_dir())]),
        ):
            data = b"".join(os.fsencode(value) + b"\0" for value in values)
            (job / name).write_bytes(data)
        yield job
    finally:
        shutil.rmtree(job, ignore_errors=True)


def die_with_parent() -> None:
    """Has the kernel kill this child when its parent dies. Called between fork and exec."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Guest:
    """A guest that runs until its command has ended, or end() is called.

    QEMU gets pipes instead of our own standard streams: it would open them anew, which
    truncates files, and make them non-blocking for everybody who shares them.
    """

    def __init__(
        self,
        job: Path,
        log: Path,
        *,
        kernel: list[str],
        cpus: int,
        memory: str,
        icount: bool,
        append: list[str],
        qemu: list[str],
    ) -> None:
        self.output_broken = False
        self._job = job
        virtme, machine = machine_options(icount)
        stdin, stdin_feed = os.pipe()
        stdout_drain, stdout = os.pipe()
        stderr_drain, stderr = os.pipe()
        kernel_args = [
            *(f"init={job}/init", f"vm_job={job}", *KERNEL_ARGS, *architecture().kernel_args),
            *(*watchdog_args(), *append),
        ]
        with log.open("ab") as console:
            self._process = subprocess.Popen(
                [
                    *("virtme-run", *foreign_options(), *kernel, "--rw"),
                    *("--cpus", str(cpus), "--memory", memory, *virtme),
                    *("--qemu-bin", str(HERE / "qemu")),
                    # init above is the script; this adds the ports that go with one.
                    *("--script-sh", ":", "--show-boot-console"),
                    *(f"--kopt={arg}" for arg in kernel_args),
                    *("--qemu-opts", *machine, *root_disk(), *qemu, "-device", "virtio-serial-pci"),
                    *("-chardev", f"file,id=vmstderr,path=/proc/self/fd/{stderr}"),
                    *("-device", "virtserialport,name=vm.stderr,chardev=vmstderr"),
                ],
                stdin=stdin,
                stdout=stdout,
                stderr=console,
                pass_fds=[stderr],
                env={**os.environ, "TMPDIR": str(job)},
                preexec_fn=die_with_parent,
            )
        for fd in (stdin, stdout, stderr):
            os.close(fd)
        self._feed(stdin_feed)
        self._drains = [self._drain(stdout_drain, 1), self._drain(stderr_drain, 2)]

    def wait(self, limit: Limit) -> None:
        """Waits until the guest is down and all of its output is copied.

        Raises subprocess.TimeoutExpired.
        """
        while True:
            try:
                self._process.wait(limit.left())
                break
            except subprocess.TimeoutExpired:
                if limit.is_over():
                    raise
        for thread in self._drains:
            thread.join()

    def end(self) -> None:
        """Kills the guest if it still runs, and waits for its threads."""
        self._process.kill()
        self._process.wait()
        for thread in self._drains:
            thread.join(timeout=5)

    def status(self) -> int | None:
        """Returns the command's exit status, or None if the guest went down without one."""
        with contextlib.suppress(OSError, ValueError):
            return int((self._job / "status").read_text())
        return None

    def _feed(self, target: int) -> None:
        """Copies standard input to the guest, unless it is a terminal, whose modes QEMU changes."""

        def feed() -> None:
            with contextlib.suppress(OSError), os.fdopen(target, "wb", 0) as pipe:
                if not os.isatty(0):
                    copy(0, pipe.fileno())

        threading.Thread(target=feed, daemon=True).start()

    def _drain(self, source: int, target: int) -> threading.Thread:
        def drain() -> None:
            try:
                copy(source, target)
            except OSError:
                # Our output is closed, as by `| head`.
                self.output_broken = True
                self._process.kill()

        thread = threading.Thread(target=drain, daemon=True)
        thread.start()
        return thread


def copy(source: int, target: int) -> None:
    while data := os.read(source, 1 << 16):
        while data:
            data = data[os.write(target, data) :]


def say(text: str) -> None:
    print(f"scripts/vm: {text}", file=sys.stderr, flush=True)
