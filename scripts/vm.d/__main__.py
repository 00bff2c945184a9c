# SPDX-License-Identifier: GPL-2.0
"""Runs scripts/vm: `python3 scripts/vm.d` finds the package beside this file."""

import sys

from vm.main import main

sys.exit(main())
