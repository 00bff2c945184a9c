# SPDX-License-Identifier: GPL-2.0
"""Each family, hook point and kind of registration of src/netfilter, against nft's counters."""

import contextlib
import os
import re
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from support.hook_modules import counted, full_hook_point, loaded, ping, rules
from support.kernel import HOOKS
from support.netns import inside, ip, run
from support.network import Network
from support.nft import counting_chain
from support.paths import TOP
from support.waiting import wait_until
from vm.pace import Limit, patience

# nft has no chain at NF_ARP_FORWARD.
POINTS = {"ip": HOOKS, "ip6": HOOKS, "bridge": HOOKS, "arp": ("input", "output"), "netdev": ("ingress", "egress")}
FAMILIES = {"ip": "ipv4", "ip6": "ipv6"}


@pytest.fixture
def bridge() -> Iterator[None]:
    """Makes a bridge with an address and two namespaces on it, and a device `hooked0` to a third."""
    for name in ("left", "right", "third"):
        run("ip", "netns", "add", name)
        # IPv6 would send neighbour discovery at any moment.
        run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", netns=name)
    ip(
        """link add br0 type bridge
        addr add 10.77.0.1/24 dev br0
        link add to-left type veth peer name eth0 netns left
        link add to-right type veth peer name eth0 netns right
        link add hooked0 type veth peer name eth0 netns third
        addr add 10.78.0.1/24 dev hooked0
        link set to-left master br0 up
        link set to-right master br0 up
        link set hooked0 up
        link set br0 up"""
    )
    for name, address in (("left", "10.77.0.2"), ("right", "10.77.0.3"), ("third", "10.78.0.2")):
        ip(
            f"""link set lo up
            addr add {address}/24 dev eth0
            link set eth0 up""",
            netns=name,
        )
    ip("route add default via 10.78.0.1", netns="third")
    ip("route add default via 10.77.0.1", netns="left")
    forwarding = Path("/proc/sys/net/ipv4/ip_forward")
    before = forwarding.read_text()
    forwarding.write_text("1")
    yield
    forwarding.write_text(before)
    run("sh", "-c", "ip link del br0; ip link del hooked0 2>/dev/null || true")
    for name in ("left", "right", "third"):
        run("sh", "-c", f"ip netns del {name} 2>/dev/null || true")


def counters_everywhere() -> str:
    """Returns an nft rule set with a counter at every point of every family."""
    tables = []
    for family, hooks in POINTS.items():
        device = "device hooked0" if family == "netdev" else ""
        text = "".join(counting_chain(hook, -500, device=device) for hook in hooks)
        tables.append(f"table {family} t {{ {text} }}")
    return "\n".join(tables)


def _add_ipv6() -> None:
    """Adds static addresses and neighbours, so that the kernel looks for neither."""
    for name, net, device in (("left", "77", "br0"), ("third", "78", "hooked0")):
        # No link-local address, and no neighbour discovery.
        run("sysctl", "-qw", f"net.ipv6.conf.{device}.addr_gen_mode=1", f"net.ipv6.conf.{device}.disable_ipv6=0")
        run(
            *("sysctl", "-qw", "net.ipv6.conf.eth0.addr_gen_mode=1", "net.ipv6.conf.eth0.disable_ipv6=0"),
            netns=name,
        )
        ours = run("cat", f"/sys/class/net/{device}/address").strip()
        (theirs,) = re.findall(r"link/ether (\S+)", run("ip", "link", "show", "eth0", netns=name))
        ip(f"addr add fd{net}::1/64 dev {device} nodad\nneigh add fd{net}::2 lladdr {theirs} dev {device}")
        ip(
            f"""addr add fd{net}::2/64 dev eth0 nodad
            neigh add fd{net}::1 lladdr {ours} dev eth0
            route add default via fd{net}::1""",
            netns=name,
        )
    run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")


def _counted_by_both() -> tuple[dict[str, int], dict[str, int]] | None:
    """Returns the module's and nft's counts of the same traffic, without the points that saw none.

    Returns None if there were other packets while only one of them counted, such as neighbour discovery.
    """
    run("nft", "reset", "counters")
    with loaded("points_counter") as module:
        if any(counted().values()):
            return None
        for address, netns in (("10.77.0.3", "left"), ("10.77.0.2", None), ("10.77.0.2", "third"), ("fd78::2", "left")):
            assert ping(address, netns=netns, wait=10)[0] == 3
        run("ping", "-6", "-c", "2", "-i", "0.1", "::1")
        ip("neigh flush all", netns="third")
        assert ping("10.78.0.1", netns="third", wait=10)[0] == 3
        theirs = counted()
        module.unload()
        if counted() != theirs:
            return None
        lines = [line.split(": ") for line in module.lines() if re.match(r"\w+ \w+: \d", line)]
    ours = {point: int(number) for point, number in lines}
    points = {point: f"{FAMILIES.get(family, family)} {hook}" for point in theirs for family, hook in [point.split()]}
    return ours, {points[point]: count for point, count in theirs.items() if count}


@pytest.mark.usefixtures("network", "bridge")
def test_every_point_of_every_family_sees_what_nft_sees_there() -> None:
    run("sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0")
    _add_ipv6()
    with rules(counters_everywhere()):
        limit = Limit(60)
        while not (both := _counted_by_both()):
            assert not limit.is_over(), "it is never quiet"
    run("sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=1", "net.ipv6.conf.all.forwarding=0")
    ours, theirs = both
    assert ours == theirs
    # Each point with traffic has counted.
    everywhere = {f"{FAMILIES.get(family, family)} {hook}" for family, hooks in POINTS.items() for hook in hooks}
    assert everywhere == set(ours)


@pytest.mark.usefixtures("network", "bridge")
@pytest.mark.parametrize("how", ["link del hooked0", "link set hooked0 netns right"])
def test_a_device_that_goes_takes_its_hooks_along(how: str) -> None:
    def hooks() -> str:
        return run("sh", "-c", "nft list hooks netdev device hooked0 2>/dev/null || true")

    with loaded("points_counter") as module:
        assert ping("10.78.0.1", netns="third")[0] == 3
        assert "points_counter" in hooks()
        limit = Limit(5)
        ip(how)
        # The kernel waits for references to a device, and warns after ten seconds.
        assert not limit.is_over()
        assert "points_counter" not in hooks()
        module.unload()
        lines = dict(line.split(": ") for line in module.lines() if ": " in line)
    assert int(lines["netdev ingress"]) >= 3
    assert int(lines["netdev egress"]) >= 3


@pytest.mark.usefixtures("network", "bridge")
def test_a_device_that_goes_leaves_the_hooks_of_the_others() -> None:
    ip("link add other0 type dummy")
    with loaded("points_counter") as module:
        ip("link del other0")
        assert "points_counter" in run("nft", "list", "hooks", "netdev", "device", "hooked0")
        assert ping("10.78.0.1", netns="third")[0] == 3
        module.unload()
        lines = dict(line.split(": ") for line in module.lines() if ": " in line)
    assert int(lines["netdev ingress"]) >= 3
    assert int(lines["netdev egress"]) >= 3


def _inode(netns: str) -> int:
    return Path(f"/run/netns/{netns}").stat().st_ino


@pytest.mark.usefixtures("network")
def test_every_namespace_is_counted_those_to_come_and_those_that_go() -> None:
    text = """table ip t {
        counter in {}
        counter out {}
        chain i { type filter hook prerouting priority -500; counter name in; }
        chain o { type filter hook output priority -500; counter name out; }
        }"""
    expected = {}
    run("ip", "netns", "add", "before")
    with loaded("netns_counter") as module:
        run("ip", "netns", "add", "after")
        for name, count in (("before", 2), ("after", 3)):
            ip("link set lo up", netns=name)
            with rules(text, netns=name):
                assert ping("127.0.0.1", count=count, netns=name)[0] == count
                numbers = counted(netns=name)
            expected[_inode(name)] = (numbers["ip in"], numbers["ip out"])
        run("ip", "netns", "del", "after")
        time.sleep(0.5)
        module.unload()
        lines = "\n".join(module.lines())
    run("ip", "netns", "del", "before")
    found = {int(n): (int(i), int(o)) for n, i, o in re.findall(r"netns (\d+): in (\d+), out (\d+)", lines)}
    assert {net: found.get(net) for net in expected} == expected
    assert all(counts > (0, 0) for counts in expected.values())


@pytest.mark.usefixtures("network")
def test_namespaces_that_come_and_go_by_the_hundred_leave_nothing() -> None:
    with loaded("netns_counter"):
        # Each goes when its only thread enters the next.
        thread = threading.Thread(target=lambda: [os.unshare(os.CLONE_NEWNET) for _ in range(100)])
        thread.start()
        thread.join()
    assert "netns_counter" not in run("nft", "list", "hooks")


SO_COOKIE = 57


def test_metadata_is_what_the_sender_and_the_kernel_say(network: Network) -> None:
    with (
        loaded("dump_meta") as module,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sender.bind((network.address, 0))
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 77)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 5)
        (cookie,) = struct.unpack("=Q", sender.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))
        sender.sendto(b"x" * 100, (network.peer_address, 9))
        (line,) = [line for line in module.lines() if "output" in line]
    fields = dict(field.split("=") for field in line.split() if "=" in field)
    assert fields["out"] == f"{network.device}/{socket.if_nametoindex(network.device)}"
    assert fields["in"] == "/0"
    assert int(fields["netns"]) == Path("/proc/self/ns/net").stat().st_ino
    assert int(fields["uid"]) == 0
    assert int(fields["cookie"]) == cookie
    assert int(fields["len"]) == 128
    assert int(fields["mark"]) == 77
    assert int(fields["priority"]) == 5
    assert fields["protocol"] == "0x0800"
    assert (fields["segments"], fields["gso"]) == ("1", "false")
    # The device computes the checksum.
    assert fields["checksum"] == "partial"


def test_the_owner_is_the_user_who_sends(network: Network) -> None:
    with loaded("dump_meta") as module:
        os.seteuid(1234)
        try:
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        finally:
            os.seteuid(0)
        with sender:
            sender.sendto(b"x", (network.peer_address, 9))
        (line,) = [line for line in module.lines() if "output" in line]
    assert " uid=1234 " in line


def test_handlers_run_in_the_order_of_their_priorities_and_see_each_other(network: Network) -> None:
    with loaded("mark_setter", mark=42), loaded("dump_meta") as module:
        with inside(network.peer), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", (network.address, 9))
        time.sleep(0.2)
        lines = [line for line in module.lines() if "prerouting" in line]
    assert lines
    assert all(" mark=42 " in line for line in lines)


def test_what_is_written_to_a_packet_keeps_its_checksum(network: Network) -> None:
    # The kernel checks the sum before the hook only; a raw socket shows it.
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(patience(5))
        with loaded("mark_setter", mark=42):
            assert ping(network.address, netns=network.peer)[0] == 3
        headers = [raw.recv(100)[:20] for _ in range(3)]
    for header in headers:
        assert header[8] == 63
        total = sum(struct.unpack("!10H", header))
        assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


def priorities(folder: Path, header: str, prefix: str) -> list[tuple[str, int]]:
    """Returns the names and values of an enum in this kernel's header, as the compiler reads it."""
    # The header that the module's C found; the uapi headers lack compiler.h.
    command = (TOP / "bindings/.helpers.o.cmd").read_text()
    compiler = ["gcc", "-w", f"-I{folder}", *re.findall(r"-I\S*/uapi\b", command)]
    (folder / "linux").mkdir(exist_ok=True)
    (folder / "linux/compiler.h").touch()
    source = folder / "priorities.c"
    source.write_text(f"#include <linux/{header}>\n")
    (enum,) = re.findall(rf"enum \w+ {{[^}}]*\b{prefix}[^}}]*}};", run(*compiler, "-E", "-P", str(source)))
    names = re.findall(rf"\b{prefix}(\w+)\s*[=,]", enum)
    source.write_text(f"{enum}\nint values[] = {{ {', '.join(prefix + name for name in names)} }};\n")
    numbers = re.findall(r"\.long\s+(-?\d+)", run(*compiler, "-S", "-o", "-", str(source)))
    return [(name, int(number)) for name, number in zip(names, numbers, strict=True)]


@pytest.mark.usefixtures("network")
def test_every_priority_that_has_a_name_is_that_of_c_and_they_are_called_in_order(tmp_path: Path) -> None:
    ours = priorities(tmp_path, "netfilter_ipv4.h", "NF_IP_PRI_")
    bridges = priorities(tmp_path, "netfilter_bridge.h", "NF_BR_PRI_")
    with loaded("orderer") as module:
        listed = run("nft", "list", "hooks")
        module.lines()
        assert ping("127.0.0.1", count=1)[0] == 1
        called = module.lines()
    # The request, and the answer.
    assert called == 2 * [name for name, _ in ours]
    for family, expected in (("ip", ours), ("bridge", bridges)):
        (block,) = re.findall(rf"^family {family} {{\n(.*?)^}}", listed, re.MULTILINE | re.DOTALL)
        numbers = re.findall(r"^\s+([+-]?\d+) .*\[orderer\]$", block, re.MULTILINE)
        assert [int(number) for number in numbers] == sorted(number for _, number in expected)
    assert "orderer" not in run("nft", "list", "hooks")


def test_a_namespace_is_held_while_hooks_are_registered_in_it(network: Network) -> None:
    def refused(netns: str, address: str) -> bool:
        with inside(netns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            try:
                sender.sendto(b"x", (address, 8081))
            except PermissionError:
                return True
            return False

    run("ip", "netns", "add", "other")
    ip("link set lo up", netns="other")
    link = "link add cable type veth peer name cable netns"
    ip(f"{link} {network.peer}", netns="other")
    sleeper = subprocess.Popen(["ip", "netns", "exec", "other", "sleep", "1000"])
    wait_until(
        lambda: Path(f"/proc/{sleeper.pid}/ns/net").stat().st_ino == _inode("other"), "the process is in its namespace"
    )
    with loaded("port_blocker", pid=sleeper.pid):
        assert refused("other", "127.0.0.1")
        assert not refused(network.peer, network.peer_address)
        sleeper.kill()
        sleeper.wait()
        run("ip", "netns", "del", "other")
        time.sleep(0.5)
        # Its device still exists.
        assert "cable" in run("ip", "link", netns=network.peer)
    wait_until(lambda: "cable" not in run("ip", "link", netns=network.peer), "the namespace is gone")


@contextlib.contextmanager
def full_device() -> Iterator[None]:
    """Fills the device's egress with all the hooks that the kernel takes."""
    chains = "\n".join(f"chain c{n} {{ type filter hook egress device hooked0 priority {n}; }}" for n in range(1024))
    with rules(f"table netdev full {{\n{chains}\n}}"):
        yield


@pytest.mark.usefixtures("network", "bridge")
@pytest.mark.parametrize("full", [partial(full_hook_point, "postrouting"), full_device], ids=["inet", "netdev"])
def test_a_set_of_hooks_registers_whole_or_not_at_all(full: Callable[[], AbstractContextManager[None]]) -> None:
    with full():
        with pytest.raises(AssertionError, match="Argument list too long"), loaded("points_counter"):
            pass
        assert "points_counter" not in run("nft", "list", "hooks")
        assert "points_counter" not in run("nft", "list", "hooks", "netdev", "device", "hooked0")
        # Traffic passes the points at which it was registered for a moment.
        assert ping("10.78.0.1", netns="third")[0] == 3
    with loaded("points_counter"):
        assert "points_counter" in run("nft", "list", "hooks")
