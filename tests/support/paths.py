# SPDX-License-Identifier: GPL-2.0
"""Paths of the checkout."""

from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PYTHON = TOP / "tests/python"
