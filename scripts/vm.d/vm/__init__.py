# SPDX-License-Identifier: GPL-2.0
"""What scripts/vm is made of."""
