# SPDX-License-Identifier: GPL-2.0
"""scripts/root --prune, on a made-up cache."""

import os
import subprocess
from pathlib import Path

from support.paths import TOP

OUTSIDE = {name: value for name, value in os.environ.items() if not name.startswith("NF_TRACER_")}

LEFT_OVER = (
    "root-trixie-000000000000",
    "root-000000000000",
    "guest-trixie-arm64-000000000000",
    "kernel-7.3-amd64-000000000000",
    "kernel-source-7.1.1-1",
    "kdir-7.1.1-amd64-000000000000",
    "debug-kernel-kasan-000000000000",
    "debug-kernel-kasan-7.3.4-000000000000",
)
# The newest of their kind and version.
BUILT = (
    "debug-kernel-kasan-7.3.4-111111111111",
    "debug-kernel-kasan-7.2.12-000000000000",
    "uml-kernel-7.3.4-000000000000",
)


def test_what_the_checkout_uses_is_kept_and_the_rest_removed(tmp_path: Path) -> None:
    environment = OUTSIDE | {"NF_TRACER_CACHE": str(tmp_path)}
    script = 'PROGRAM=t; . scripts/root.d/common; . scripts/root.d/table; find_kernel 7.2-amd64; echo "$kernel"'
    found = subprocess.check_output(["bash", "-c", script], cwd=TOP, env=environment, text=True)
    kernel = Path(found.strip()).name
    script = script.replace("7.2-amd64", "7.3-arm64").replace('"$kernel"', '"$guest"')
    guest = Path(subprocess.check_output(["bash", "-c", script], cwd=TOP, env=environment, text=True).strip()).name
    used = (kernel, guest, "kernel-source-7.2.12-1", *BUILT)
    for time, name in enumerate((*LEFT_OVER, *used)):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.lock").touch()
        os.utime(tmp_path / name, (time, time))
    (tmp_path / kernel / "kernel").write_text("KERNEL_SOURCE=kernel-source-7.2.12-1/linux-source-7.2.tar.xz\n")
    (tmp_path / "kernel-7.2-amd64-222222222222.new").mkdir()
    (tmp_path / "kernel-7.2-amd64-222222222222.lock").touch()

    done = subprocess.run(
        [TOP / "scripts/root", "--prune"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    left = {path.name for path in tmp_path.iterdir() if path.is_dir()} - {"log"}
    assert left == set(used)
