# SPDX-License-Identifier: GPL-2.0
"""Everything that the debug kernel is to find makes scripts/vm fail, which names it.

Without these, all other tests here would also pass if nothing were ever found.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from support.debug_guest import GUEST_FAILED, MODULES, boot, console_log, run
from vm.console import START_MARK, Console

# The kernel's report of each kind of misbehaviour.py, in this order: what needs lockdep precedes what disables it, and
# a leak, which is reported when the command has ended, is last.
KINDS = {
    "suspicious-rcu": "WARNING: suspicious RCU usage",
    "lock-order": "WARNING: possible circular locking dependency detected",
    "atomic-sleep": "BUG: sleeping function called from invalid context",
    "atomic-schedule": "BUG: scheduling while atomic: misbehaver",
    "warn": "warn+0x",
    "refcount": "refcount_t: ",
    "list": "__list_del_entry_valid_or_report+0x",
    "object": "debug_print_object+0x",
    "ubsan": "UBSAN: shift-out-of-bounds",
    "no-wait-replace": "BUG: KASAN: slab-use-after-free in _R",
    "no-wait-register": "BUG: KASAN: slab-use-after-free in _R",
    "use-after-free": "BUG: KASAN: slab-use-after-free in use_after_free",
    "beyond-end": "BUG: KASAN: vmalloc-out-of-bounds in use_beyond_end",
    "slab": "BUG misbehaver (",
    "held-device": "unregister_netdevice: waiting for misbehaver0",
    "hung-task": "INFO: task misbehaver:",
    "soft-lockup": "BUG: soft lockup - CPU#",
    "rcu-stall": "rcu: INFO: rcu_preempt ",
    "null": "KASAN: null-ptr-deref in range",
    "wild-pointer": "Oops: general protection fault",
    "rust-overflow": "panicked at panics.rs:8:",
    "rust-assertion": "panicked at panics.rs:14:",
    "rust-index": "kernel BUG at rust/helpers/bug.c",
    "nothing": "",
    "leak": "vm: kmemleak: unreferenced object",
}


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Console]:
    """Returns the part of the console's log of each kind."""
    done = run("misbehave", *KINDS, modules=MODULES, options=("--timeout", "400", "--append", "kasan_multi_shot"))
    assert done.returncode == GUEST_FAILED, done.stdout[-2000:] + done.stderr
    assert "command ended with status 0)" in done.stderr, done.stdout[-2000:] + done.stderr
    folder = tmp_path_factory.mktemp("consoles")
    _, _, *texts = console_log(done).read_text(errors="replace").split(START_MARK)
    consoles = {}
    for kind, text in zip(KINDS, texts, strict=True):
        log: Path = folder / kind
        log.write_text(f"{START_MARK}{text}")
        assert text.startswith(f": {kind}\n")
        consoles[kind] = Console(log)
    return consoles


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "nothing"])
def test_each_mistake_is_reported_by_name(kind: str, pieces: Mapping[str, Console]) -> None:
    splats = pieces[kind].splats()
    assert any(KINDS[kind] in splat for splat in splats), splats or pieces[kind].lines


def test_correct_code_is_not_reported(pieces: Mapping[str, Console]) -> None:
    assert pieces["nothing"].splats() == []


def test_a_panic_in_rust_ends_the_guest_and_is_named() -> None:
    done = boot("insmod", MODULES / "tests/debug/modules/misbehaver.ko", "kind=rust-assertion")
    assert done.returncode == GUEST_FAILED, done.stderr
    assert "the guest died" in done.stderr, done.stderr
    assert "panicked at " in done.stderr, done.stderr
