# SPDX-License-Identifier: GPL-2.0
"""What scripts/packet-way is made of."""
