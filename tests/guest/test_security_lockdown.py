# SPDX-License-Identifier: GPL-2.0
"""The module on a kernel that requires signatures, and under lockdown, which cannot be undone."""

import errno
import os
from pathlib import Path

import pytest

from support import kmsg, listeners, module, parameters, perf
from support.hook_modules import ping
from support.kernel import EVENT, TRACING
from support.netns import run
from support.nflog import Listener

pytestmark = pytest.mark.in_order

_LOCKDOWN = Path("/sys/kernel/security/lockdown")
_ENFORCE = Path("/sys/module/module/parameters/sig_enforce")


@pytest.fixture(scope="module", autouse=True)
def security() -> None:
    if not _LOCKDOWN.exists():
        run("mount", "-t", "securityfs", "securityfs", "/sys/kernel/security")
    assert _LOCKDOWN.read_text() == "[none] integrity confidentiality\n"


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signs the module by a key that is in no keyring."""
    folder = tmp_path_factory.mktemp("signed")
    key, certificate, file = (folder / name for name in ("key.pem", "cert.pem", "nf_tracer.ko"))
    subject = ["-subj", "/CN=somebody", "-days", "9"]
    run("openssl", "req", "-new", "-x509", "-nodes", *subject, "-keyout", str(key), "-out", str(certificate))
    (sign,) = Path("/usr/lib").glob("linux-kbuild-*/scripts/sign-file")
    run(str(sign), "sha256", str(key), str(certificate), str(module.FILE), str(file))
    return file


def _refusal(file: Path) -> tuple[int, str]:
    """Returns the error of loading a file, and the kernel's line about it."""
    log = kmsg.KernelLog()
    with pytest.raises(OSError, match="not permitted|Key was rejected") as raised:
        module.load(file=file)
    ((_, said),) = log.read()
    log.close()
    return raised.value.errno, said


def _opened(file: Path, flags: int) -> str:
    try:
        os.close(os.open(file, flags | os.O_NONBLOCK))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"


def test_a_signature_by_an_unknown_key_is_as_good_as_none(signed: Path) -> None:
    module.load(file=signed)
    taint = Path("/sys/module/nf_tracer/taint").read_text()
    module.unload()
    assert taint == "OE\n"


def test_a_module_loaded_before_goes_on_but_confidentiality_closes_tracefs(log: kmsg.KernelLog) -> None:
    with parameters.loaded("proto=icmp hooks=output sink=log,trace,nflog:5 rate=0"), Listener(5) as group:
        group.setblocking(False)
        _LOCKDOWN.write_text("integrity")
        with listeners.ftrace():
            ping("127.0.0.1", 1)
            assert len(listeners.events(listeners.trace_pipe())) == 2
        open_event = perf.opener(perf.PERF_SAMPLE_RAW, -1)
        _LOCKDOWN.write_text("confidentiality")
        for file, flags in (
            (TRACING / "trace_pipe", os.O_RDONLY),
            (TRACING / "trace", os.O_RDONLY),
            (EVENT / "enable", os.O_WRONLY),
        ):
            assert _opened(file, flags) == "EPERM", file
        # These stay open, and so perf can open the event.
        assert _opened(EVENT / "format", os.O_RDONLY) == _opened(EVENT / "id", os.O_RDONLY) == "ok"
        assert open_event() == "held"
        parameters.put("host", "127.0.0.0/8")
        ping("127.0.0.1", 1)
        assert parameters.total("log").emitted == 4
        assert group.discard() == 4
    assert len([text for _, text in log.read() if text.startswith("nf_tracer: source : 127.0.0.1 ")]) == 4


def test_afterwards_the_module_does_not_load(signed: Path) -> None:
    restricted = "Lockdown: python3: unsigned module loading is restricted; see man kernel_lockdown.7"
    unsigned = module.FILE
    assert _refusal(unsigned) == (errno.EPERM, restricted)
    assert _refusal(signed) == (errno.EPERM, restricted)
    _ENFORCE.write_text("1")
    assert _refusal(unsigned) == (errno.EKEYREJECTED, "Loading of unsigned module is rejected")
    rejected = "Loading of module with unavailable key is rejected"
    assert _refusal(signed) == (errno.EKEYREJECTED, rejected)
    # Modules signed by Debian still load.
    run("modprobe", "pktgen")
    run("rmmod", "pktgen")
