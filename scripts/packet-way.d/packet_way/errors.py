# SPDX-License-Identifier: GPL-2.0
"""Errors that the user can act on."""


class UserError(Exception):
    """An error that the user can act on: it ends the program with the text, in one line."""
