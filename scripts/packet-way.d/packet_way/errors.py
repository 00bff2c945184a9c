# SPDX-License-Identifier: GPL-2.0
"""What ends the program with a line that says what is wrong."""


class UserError(Exception):
    """Something that the user can do something about. The text says what, in one line."""
