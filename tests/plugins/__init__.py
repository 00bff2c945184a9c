# SPDX-License-Identifier: GPL-2.0
"""Plugins for pytest."""
