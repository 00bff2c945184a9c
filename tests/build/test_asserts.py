# SPDX-License-Identifier: GPL-2.0
"""Finds tests that check less than they say, where ruff does not."""

import ast
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_no_comparison_is_the_message_of_an_assertion() -> None:
    asserts = [
        (f"{file.relative_to(TESTS)}:{node.lineno}", node)
        for file in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Assert)
    ]
    assert len(asserts) > 500
    # assert a, b == c: parentheses are missing around both sides.
    assert [where for where, node in asserts if isinstance(node.msg, ast.Compare)] == []


def test_no_expected_exception_matches_any_text() -> None:
    # match="" keeps ruff quiet, and matches everything.
    assert [file for file in TESTS.rglob("*.py") if 'match=""' in file.read_text() and file != Path(__file__)] == []
