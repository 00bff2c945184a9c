# SPDX-License-Identifier: GPL-2.0
"""Where things are in the checkout."""

from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PYTHON = TOP / "tests/python"
