# SPDX-License-Identifier: GPL-2.0
"""Several parameters set by one write to `settings`."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import module, parameters
from support.netns import inside, run
from support.network import Network

_CHANGES = 150
# Which of the two is active, none of these chooses a datagram to this port; a mixture of both does.
_PORT = 7002
_ONE = {"proto": "udp", "dport": "7001"}
_OTHER = {"proto": "icmp", "dport": ""}


@pytest.fixture
def datagrams(network: Network) -> Iterator[None]:
    """Datagrams to the port, one after the other, for as long as it takes."""
    is_over = threading.Event()

    def send() -> None:
        with inside(network.peer):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sender:
            while not is_over.is_set():
                sender.sendto(b"x", (network.address, _PORT))

    thread = threading.Thread(target=send)
    thread.start()
    yield
    is_over.set()
    thread.join()


def _assignments(values: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


@pytest.mark.usefixtures("datagrams")
@pytest.mark.parametrize("at_once", [True, False], ids=["by one write", "one by one"])
def test_between_two_filters_there_is_no_third_one(at_once: bool) -> None:
    with parameters.loaded(f"hooks=prerouting rate=0 sink=trace {_assignments(_OTHER)}"):
        for _ in range(_CHANGES):
            for values in (_ONE, _OTHER):
                if at_once:
                    parameters.put("settings", _assignments(values))
                else:
                    # From the one with the port to the other one, the port goes first.
                    for name in sorted(values):
                        parameters.put(name, values[name])
        # Nobody listens to the tracepoint, so that what is chosen is lost.
        counts = parameters.total("trace")
    assert counts.not_matched > _CHANGES
    assert (counts.lost == 0) == at_once, counts


def test_what_is_written_is_active_and_reads_as_it_is_written_back(network: Network) -> None:
    text = "hooks=input family=inet proto=tcp,udp host=10.0.0.0/8 bpf='1,6 0 0 1' netns=all rate=5 priority=raw"
    with parameters.loaded("rate=7 iface=lo"):
        assert parameters.get("settings") == "defaults iface=lo rate=7"
        parameters.put("settings", f"defaults {text}")
        assert parameters.get("settings") == f"defaults {text}"
        assert (parameters.get("iface"), parameters.get("burst")) == ("", "10")
        everywhere = ["ip input -300", "ip6 input -300"]
        assert module.hooks() == module.hooks(network.peer) == everywhere
        with pytest.raises(OSError, match="Invalid argument"):
            parameters.put("settings", "defaults hooks=all proto=http")
        assert parameters.get("settings") == f"defaults {text}"
        assert module.hooks() == module.hooks(network.peer) == everywhere
        parameters.put("settings", "defaults")
        assert parameters.get("settings") == "defaults"
        assert module.hooks() == parameters.hooked_in()
        assert module.hooks(network.peer) == []


def test_at_load_values_are_taken_in_their_order() -> None:
    with parameters.loaded('rate=7 settings="defaults hooks=input burst=3" priority=raw'):
        assert parameters.get("settings") == "defaults hooks=input burst=3 priority=raw"
        assert module.hooks() == ["ip input -300"]


def test_what_is_read_can_be_given_to_insmod_and_in_modprobes_configuration(tmp_path: Path) -> None:
    with parameters.loaded(""):
        parameters.put("settings", 'proto=udp,sctp bpf="2,48 0 0 0,6 0 0 1" iface=eth+ rate=3')
        text = parameters.get("settings")
    run("insmod", str(module.FILE), f"settings={text}")
    assert parameters.get("settings") == text
    run("rmmod", module.NAME)
    config, command = module.modprobe(tmp_path)
    config.write_text(f'options {module.NAME} settings="{text}"\n')
    run(*command)
    assert parameters.get("settings") == text
    run("rmmod", module.NAME)
