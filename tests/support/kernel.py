# SPDX-License-Identifier: GPL-2.0
"""Names and numbers of the kernel's that several tests need."""

from pathlib import Path

TRACING = Path("/sys/kernel/tracing")
EVENT = TRACING / "events/nf_tracer/packet"

HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
"""In the order of enum nf_inet_hooks."""
PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = range(len(HOOKS))
