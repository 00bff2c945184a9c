# SPDX-License-Identifier: GPL-2.0
"""Runs scripts/packet-way: `python3 scripts/packet-way.d` finds the package beside this file."""

import sys

from packet_way.main import main

sys.exit(main())
