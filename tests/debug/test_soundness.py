# SPDX-License-Identifier: GPL-2.0
"""Registrations and parameters under traffic, under KASAN, kmemleak and lockdep."""

import os
import re

from support.debug_guest import MODULES, succeed
from support.kernel import HOOKS
from vm.console import SPLAT

ROUNDS = int(os.environ.get("NF_TRACER_ROUNDS", "0"))


def test_registrations_of_every_kind_come_and_go_under_traffic_and_lists() -> None:
    wanted, changes = ROUNDS or 50, ROUNDS or 100
    printed = succeed("register", str(wanted), str(changes))
    kinds = ("here", "everywhere", "at_device", "refused")
    match = re.search(r"registrar: (\d+) rounds: " + ", ".join(rf"{kind} (\d+)" for kind in kinds), printed)
    assert match, printed
    rounds, *seen = (int(number) for number in match.groups())
    print(match[0])
    assert rounds == wanted
    # Each kind was called. The device exists part of the time, and what is refused is registered for an instant.
    here, everywhere, at_device, refused = seen
    assert min(here, everywhere) > wanted, match[0]
    assert min(at_device, refused) > 0, match[0]

    match = re.search(r"^(\d+) changes, (\d+) lists with the tracer in them$", printed, re.MULTILINE)
    assert match, printed
    print(match[0])
    assert int(match[2]) > changes, match[0]


def test_what_safe_code_leaks_is_called_no_more() -> None:
    wanted = ROUNDS or 10
    printed = succeed("leak", str(wanted))
    seen = [int(number) for number in re.findall(r"breaker: seen (\d+)", printed)]
    assert len(seen) == wanted
    assert min(seen) > 0
    tried = re.findall(r"breaker: in a handler (\d+) not refused", printed)
    assert len(tried) >= 3 * wanted
    assert set(tried) == {"0"}


def test_races_of_loads_and_unloads_with_all_that_uses_the_module() -> None:
    wanted = ROUNDS or 12
    printed = succeed("race", str(wanted))
    match = re.search(r"^(\d+) loads and unloads in .*, (\d+) packets seen at (\d+) points: .*", printed, re.MULTILINE)
    assert match, printed
    print(match[0])
    assert int(match[1]) == wanted
    # All five hooks, for both families.
    for where in (f"{hook} {family}" for hook in HOOKS for family in ("ipv4", "ipv6")):
        assert f"'{where} log'" in match[0], match[0]


def test_no_text_of_a_parameter_makes_the_kernel_warn_whoever_reads_it() -> None:
    printed = succeed("read", modules=MODULES)
    read = re.findall(r"^(\w+) by (\d+): (\d+) bytes to '(.*)'$", printed, re.MULTILINE)
    assert len(read) == 19 * 2 * 4
    assert max(int(length) for _, _, length, _ in read) == 4095
    # Only these are cut, and end in a note; all 30 lines of the counts fit otherwise.
    assert {name for name, _, _, end in read if end.endswith(" more not shown\\n")} == {"bpf", "counts", "settings"}
    assert {uid for name, uid, length, _ in read if name == "counts" and int(length)} == {"0"}
    assert {uid for name, uid, length, _ in read if name == "bpf" and int(length)} == {"0", "65534"}


def test_what_fails_is_refused_and_leaves_nothing_behind() -> None:
    which = ("1", "plain", "full", "writes") if ROUNDS else ("3", "plain", "writes")
    printed = succeed("fail", *which, modules=MODULES, options=("--allow-warnings",))
    # The kernel itself warns where it has no memory for an event's fields.
    reports = [line for line in printed.splitlines() if SPLAT.search(line)]
    assert not [line for line in reports if " at event_define_fields+" not in line], "\n".join(reports)
    match = re.search(
        r"^(\d+) allocations failed, (\d+) registrations failed, (\d+) loads refused, (\d+) writes refused$",
        printed,
        re.MULTILINE,
    )
    assert match, printed
    print(match[0])
    assert all(int(number) > 50 for number in match.groups()), match[0]


def test_packets_are_held_while_what_they_refer_to_goes() -> None:
    printed = succeed("hold", str(ROUNDS or 20), modules=MODULES)
    assert "holding: all is said" in printed
