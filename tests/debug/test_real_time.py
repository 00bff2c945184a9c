# SPDX-License-Identifier: GPL-2.0
"""What only PREEMPT_RT forbids is found by its debug kernel. For 'tests/debug/run --rt'."""

import pytest

from support.debug_guest import GUEST_FAILED, MODULES, boot

_MISBEHAVER = MODULES / "tests/debug/modules/misbehaver.ko"


@pytest.mark.parametrize(
    ("kind", "report"),
    [
        ("atomic-spinlock", "BUG: sleeping function called from invalid context"),
        ("this-cpu", "BUG: using smp_processor_id() in preemptible"),
        ("lock-order", "WARNING: possible circular locking dependency detected"),
    ],
)
def test_a_mistake_is_reported_by_name(kind: str, report: str) -> None:
    # insmod is told that the module does not stay.
    done = boot("sh", "-c", f"! insmod {_MISBEHAVER} kind={kind} 2>/dev/null")
    assert done.returncode == GUEST_FAILED, done.stderr
    assert report in done.stderr, done.stderr


def test_correct_code_is_not_reported() -> None:
    done = boot("sh", "-c", f"grep -q PREEMPT_RT /proc/version && ! insmod {_MISBEHAVER} kind=nothing 2>/dev/null")
    assert done.returncode == 0, done.stderr
