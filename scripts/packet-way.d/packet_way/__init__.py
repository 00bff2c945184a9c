# SPDX-License-Identifier: GPL-2.0
"""The package that scripts/packet-way runs."""
