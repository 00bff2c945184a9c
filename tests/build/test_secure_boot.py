# SPDX-License-Identifier: GPL-2.0
"""The module, signed, on the distribution's kernel, booted by firmware with Secure Boot."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import TOP

OVMF = Path("/usr/share/OVMF")
# The GUID of Secure Boot's and shim's variables.
OWNER = "605dab50-e046-4300-abb6-3dd810dd8b23"

# Keys: one in the firmware's db, one enrolled as by 'mokutil --import', and an unknown one.
SIGNERS = ("db", "mok", "unknown")

IN_GUEST = """\
cd {folder}
mount -t securityfs securityfs /sys/kernel/security
cat /sys/kernel/security/lockdown
for file in unsigned.ko unknown.ko db.ko mok.ko; do
    if insmod $file proto=icmp; then
        ping -c 1 127.0.0.1 >/dev/null
        echo "$file: taints by $(cat /sys/module/nf_tracer/taint), $(dmesg | grep -c 'nf_tracer: source') lines"
        rmmod nf_tracer
        dmesg --clear
    else
        echo "$file: $(dmesg | tail -n 1 | sed 's/^[^]]*] //')"
    fi
done 2>&1
"""


def run(*command: object, cwd: Path) -> None:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def folder() -> Iterator[Path]:
    """Makes a folder that the guest sees."""
    with tempfile.TemporaryDirectory(dir=os.environ["NF_TRACER_CACHE"]) as name:
        yield Path(name)


def sign(folder: Path, module: Path) -> None:
    """Makes a key and a certificate for each signer, and the module with that signature."""
    (tool,) = Path("/usr/lib").glob("linux-kbuild-*/scripts/sign-file")
    (folder / "unsigned.ko").write_bytes(module.read_bytes())
    for signer in SIGNERS:
        key, certificate = (f"{signer}.{kind}" for kind in ("key", "pem"))
        subject = ["-subj", f"/CN={signer}", "-days", "9"]
        run(*("openssl", "req", "-new", "-x509", "-nodes", *subject, "-keyout", key, "-out", certificate), cwd=folder)
        run(tool, "sha256", key, certificate, module, f"{signer}.ko", cwd=folder)


def enroll(folder: Path) -> None:
    """Makes firmware variables with the keys, and with that of the kernel's own signature."""
    (kernel,) = Path("/boot").glob("vmlinuz-*")
    before = set(folder.iterdir())
    run("pe-listsigs", "--extract", kernel, cwd=folder)
    (debian,) = (file for file in set(folder.iterdir()) - before if file.suffix == ".pem")
    fw_vars = ("virt-fw-vars", "--input", OVMF / "OVMF_VARS_4M.ms.fd")
    run(*fw_vars, "--add-mok", OWNER, "mok.pem", "--output-json", "mok.json", cwd=folder)
    # As shim does at each boot, so that the kernel sees the list that only firmware can change.
    (mok,) = (each for each in json.loads((folder / "mok.json").read_text())["variables"] if each["name"] == "MokList")
    mok["name"] = "MokListRT"
    mok["attr"] |= 4
    (folder / "mok.json").write_text(json.dumps({"version": 2, "variables": [mok]}))
    keys = [word for file in ("db.pem", debian.name) for word in ("--add-db", OWNER, file)]
    run(*fw_vars, *keys, "--set-json", "mok.json", "--output", "variables.fd", cwd=folder)


def test_secure_boot_takes_it_by_a_known_key_only(tree: Path, folder: Path) -> None:
    sign(folder, tree / "nf_tracer.ko")
    enroll(folder)
    firmware = (
        "-machine smm=on -global driver=cfi.pflash01,property=secure,value=on"
        f" -drive if=pflash,format=raw,unit=0,readonly=on,file={OVMF}/OVMF_CODE_4M.secboot.fd"
        f" -drive if=pflash,format=raw,unit=1,file={folder}/variables.fd"
    )
    done = subprocess.run(
        [TOP / "scripts/vm", "--timeout", "300", "--qemu", firmware, "--", "sh", "-c", IN_GUEST.format(folder=folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    refused = "insmod: ERROR: could not insert module {}.ko: Key was rejected by service"
    assert done.stdout.splitlines() == [
        "none [integrity] confidentiality",
        refused.format("unsigned"),
        "unsigned.ko: Loading of unsigned module is rejected",
        refused.format("unknown"),
        "unknown.ko: Loading of module with unavailable key is rejected",
        # Tainted as out of tree only.
        "db.ko: taints by O, 4 lines",
        "mok.ko: taints by O, 4 lines",
    ]
