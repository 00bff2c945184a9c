# SPDX-License-Identifier: GPL-2.0
"""Every kind of value for each parameter: it is taken, or refused in one line, and nothing breaks.

The list of parameters is the module's own, so that new ones are tried, too.
"""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from support import kmsg, module, parameters
from support.actors import attempt, user
from support.netns import run

# No parameter takes this.
_WRONG = "\x01\x7f"
# Appended to the name, for insmod. Some are longer than a page, and than a line of the log.
_AT_LOAD = {
    "no value": "",
    "an empty one": "=",
    "a wrong one": f"={_WRONG}",
    "one in open quotes": f'="{_WRONG} ',
    "more than a page": f"={'x' * 5000}",
    "more than 100 pages": f"={'x,' * 250_000}",
}
# The start of the kernel's own line about a bad parameter.
_OF_THE_KERNEL = "nf_tracer: `"
_AT_RUN_TIME = {
    "no byte": b"",
    "an empty line": b"\n",
    "a wrong one": _WRONG.encode(),
    "nearly a page": b"x" * 4095,
    "a page": b"x" * 4096,
    "more than a page": b"x" * 5000,
    "a megabyte": b"x" * (1 << 20),
    "a NUL": b"\0",
    "NULs": b"\0" * 5000,
    "a NUL within": b"\x01\0x",
}


def _names() -> list[str]:
    return sorted({line.split(":")[0] for line in run("modinfo", "-F", "parm", str(module.FILE)).splitlines()})


def _all() -> dict[str, str]:
    return {file.name: file.read_text() for file in parameters.FOLDER.iterdir()}


def _check_line(log: kmsg.KernelLog, name: str, told: object) -> None:
    """Checks that a refusal logs one line, besides those that the kernel's loader has."""
    lines = [text for _, text in log.read() if text.startswith("nf_tracer: ")]
    lines = [text for text in lines if not text.startswith(_OF_THE_KERNEL)]
    assert len(lines) == 1, (told, lines)
    assert lines[0].startswith(f"nf_tracer: {name}: "), (told, lines)
    assert len(lines[0]) < 500, (told, lines)
    assert lines[0].isascii(), (told, lines)
    assert lines[0].isprintable(), (told, lines)


def _check_it_loads() -> None:
    with parameters.loaded(""):
        assert module.hooks()


def test_at_load_each_is_taken_or_refused_in_one_line(log: kmsg.KernelLog) -> None:
    for name in _names():
        for what, value in _AT_LOAD.items():
            told = (name, what)
            log.read()
            try:
                module.load(name + value)
            except OSError as error:
                assert error.errno in (errno.EINVAL, errno.EACCES), told
                assert not module.is_loaded(), told
                _check_line(log, name, told)
            else:
                module.unload()
                assert what == "an empty one", told
        _check_it_loads()


def test_by_modprobe_each_is_taken_or_refused_in_one_line(log: kmsg.KernelLog, tmp_path: Path) -> None:
    config, command = module.modprobe(tmp_path)
    for name, value in [(name, "") for name in _names()] + [("counts", "=1"), ("rate", f"={_WRONG}")]:
        config.write_text(f"options {module.NAME} {name}{value}\n")
        log.read()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode != 0, (name, value)
        assert not module.is_loaded(), (name, value)
        _check_line(log, name, (name, value))
    config.write_text("")
    run(*command)
    module.unload()


def _program(length: int) -> str:
    return f"{length},{'0 0 0 0,' * (length - 1)}6 0 0 1"


@pytest.mark.parametrize("length", [600, 4096])
def test_a_program_longer_than_a_page_is_read_up_to_an_instruction(length: int, log: kmsg.KernelLog) -> None:
    with parameters.loaded(f'bpf="{_program(length)}"'):
        text = str(attempt(user, lambda: parameters.get("bpf")))
        kept, _, note = text.rpartition(",")
        assert len(text) < 4096
        assert _program(length).startswith(f"{kept},")
        assert note == f"... {length + 1 - kept.count(',') - 1} more not shown"
        log.read()
        with pytest.raises(OSError, match="Invalid argument"):
            parameters.put("bpf", text)
        _check_line(log, "bpf", "cut")
        assert parameters.get("bpf") == text


def test_a_value_of_as_many_bytes_as_can_be_written_is_read_whole() -> None:
    value = _program(510).replace("0 0 0 0,0 0 0 0", "0 0 0 4294967295,0 0 0 1000", 1)
    assert len(value) == 4095
    with parameters.loaded(""):
        (parameters.FOLDER / "bpf").write_bytes(value.encode())
        assert attempt(user, (parameters.FOLDER / "bpf").read_text) == value


def test_a_value_whose_first_page_is_one_too_is_refused(log: kmsg.KernelLog) -> None:
    with parameters.loaded("port=443"):
        log.read()
        fd = os.open(parameters.FOLDER / "port", os.O_WRONLY)
        with pytest.raises(OSError, match="Invalid argument"):
            os.write(fd, b"80" + b" " * 5000 + b",90")
        os.close(fd)
        _check_line(log, "port", "long")
        assert parameters.get("port") == "443"
    with parameters.loaded(f'port="80{" " * 5000},90"'):
        assert parameters.get("port") == "80,90"


def test_at_run_time_each_is_taken_or_refused_in_one_line(log: kmsg.KernelLog) -> None:
    tried = []
    for name in _names():
        with parameters.loaded(""):
            before = _all()
            assert set(before) == set(_names())
            file = parameters.FOLDER / name
            if not file.stat().st_mode & 0o222:
                with pytest.raises(PermissionError):
                    file.open("wb")
                continue
            for what, value in _AT_RUN_TIME.items():
                log.read()
                fd = os.open(file, os.O_WRONLY)
                try:
                    os.write(fd, value)
                except OSError as error:
                    assert error.errno == errno.EINVAL, (name, what)
                    _check_line(log, name, (name, what))
                    assert _all() == before, (name, what)
                    tried.append(what)
                else:
                    # The module sees the text up to the first NUL.
                    assert not value.split(b"\0")[0].strip(), (name, what)
                    before = _all()
                os.close(fd)
    assert set(tried) == set(_AT_RUN_TIME) - {"no byte"}
    _check_it_loads()
