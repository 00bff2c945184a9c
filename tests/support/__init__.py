# SPDX-License-Identifier: GPL-2.0
"""What the suites share: the module, the kernel's view of it, networks and packets to test it with."""
