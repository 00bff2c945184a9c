# SPDX-License-Identifier: GPL-2.0
"""A network namespace that belongs to an ordinary user, as a rootless container's does."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support.hook_modules import LIST_HOOKS, base_chains
from support.netns import run

_UID = "1000"


class Container:
    """A shell of uid 1000 as root of a user and a network namespace of its own."""

    def __init__(self) -> None:
        # The user may not load modules, but the kernel does when he asks for what they implement.
        run("modprobe", "nf_tables")
        user = ["setpriv", "--reuid", _UID, "--regid", _UID, "--clear-groups"]
        self._shell = subprocess.Popen(
            [*user, "unshare", "--user", "--map-root-user", "--net", "sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self.run("ip link set lo up")
        self.inode = Path(f"/proc/{self._shell.pid}/ns/net").stat().st_ino

    def run(self, command: str) -> str:
        """Runs a command in the shell; returns what it prints."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f"{command}\necho ended $?\n")
        said = []
        for line in self._shell.stdout:
            if line.startswith("ended "):
                assert line == "ended 0\n", f"{command[:200]}: {''.join(said)}"
                return "".join(said)
            said.append(line)
        raise AssertionError(f"the shell has ended: {''.join(said)}")

    def fill(self, hook: str, room: int = 0) -> None:
        """Fills a hook point of IPv4, up to `room` hooks."""
        chains = base_chains(hook, self.run(" ".join(LIST_HOOKS)), room)
        self.run(f"nft -f - <<'END'\n{chains}END")

    def make_room(self) -> None:
        self.run("nft flush ruleset")

    def ping(self, packets: int) -> None:
        """Pings itself; each request and each reply passes all points but forward."""
        self.run(f"ping -q -c {packets} -i 0.01 127.0.0.1 >/dev/null")

    def end(self) -> None:
        self._shell.kill()
        self._shell.communicate()


@contextlib.contextmanager
def container() -> Iterator[Container]:
    """Yields a container, and ends it afterwards."""
    one = Container()
    try:
        yield one
    finally:
        one.end()
