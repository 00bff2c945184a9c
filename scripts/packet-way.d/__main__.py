# SPDX-License-Identifier: GPL-2.0
"""Runs scripts/packet-way: `python3 scripts/packet-way.d` finds the package beside this file."""

import sys

if sys.version_info < (3, 12):  # noqa: UP036
    sys.exit(
        "scripts/packet-way: needs Python 3.12 or later, as Debian 13 has it: try 'scripts/root -- scripts/packet-way'"
    )

# What an older Python cannot parse.
from packet_way.main import main  # noqa: E402

sys.exit(main())
