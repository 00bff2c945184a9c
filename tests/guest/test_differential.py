# SPDX-License-Identifier: GPL-2.0
"""The conditions against nft's matches and sockets' datagrams; tests/debug has the long form."""

import random
from collections.abc import Iterator

import pytest

from support import parameters
from support.differential import MODULE_PARAMETERS, Conditions, Differential
from support.differential_packets import Group, groups
from support.frames import DESTINATION, PROTO_UDP
from support.tap import tapped

_SEED = 14
_GROUPS = 600
_ROUNDS = 12
_MOBILITY = 135


@pytest.fixture(scope="module")
def made() -> list[Group]:
    return list(groups(_GROUPS, _SEED))


@pytest.fixture
def differential() -> Iterator[Differential]:
    with tapped() as tap, parameters.loaded(MODULE_PARAMETERS):
        differential = Differential(tap)
        yield differential
        differential.close()


def test_conditions_choose_what_nft_matches_with_the_same_ones(differential: Differential, made: list[Group]) -> None:
    rng = random.Random(_SEED)  # noqa: S311
    share = _GROUPS // _ROUNDS
    for number in range(_ROUNDS):
        differential.check(made[number * share :][:share], Conditions.at_random(rng))
    # The packets have to be of all kinds.
    assert differential.seen["matched"] > _GROUPS // 10, differential.seen
    assert differential.seen["more"] > 10, differential.seen


@pytest.mark.parametrize(
    ("protocol", "port"), [(PROTO_UDP, 53), (PROTO_UDP, 8080), (PROTO_UDP, 0), (DESTINATION, 0), (_MOBILITY, 0)]
)
def test_conditions_choose_what_a_socket_gets(
    differential: Differential, made: list[Group], protocol: int, port: int
) -> None:
    got = differential.check_delivered(made[:500], protocol, port)
    assert got > 1
