# SPDX-License-Identifier: GPL-2.0
"""nft by its library: under KASAN, starting the program takes seconds."""

import ctypes
import re
from collections import Counter

from support.netns import inside


def counting_chain(hook: str, priority: str | int = "filter", *, device: str = "", condition: str = "") -> str:
    """Returns a counter that has the hook's name, and a base chain there that counts what meets the condition."""
    return (
        f"counter {hook} {{}}\n"
        f"chain at_{hook} {{ type filter hook {hook} {device} priority {priority};"
        f" {condition} counter name {hook}; }}\n"
    )


class Nft:
    """Runs nft's commands in a network namespace."""

    def __init__(self, netns: str) -> None:
        self._nft = ctypes.CDLL("libnftables.so.1")
        self._nft.nft_ctx_new.restype = ctypes.c_void_p
        self._nft.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
        with inside(netns):
            self._context = ctypes.c_void_p(self._nft.nft_ctx_new(0))
        self._nft.nft_ctx_buffer_output(self._context)

    def run(self, command: str) -> str:
        assert self._nft.nft_run_cmd_from_buffer(self._context, command.encode()) == 0, command
        return self._nft.nft_ctx_get_output_buffer(self._context).decode()

    def counters(self, table: str) -> Counter[str]:
        """Returns the packets of each counter of a table."""
        text = self.run(f"list counters table {table}")
        return Counter({name: int(packets) for name, packets in re.findall(r"counter (\w+) \{\s+packets (\d+)", text)})
