# SPDX-License-Identifier: GPL-2.0
"""Runs one scene in the debug kernel, which reports on its console.

Usage: inside.py MODULES SCENE [ARGUMENT...], where MODULES is the folder of what was built.
"""

import subprocess
import sys
from pathlib import Path

from differing import differ
from failures import fail
from helpers import clear_leaks
from holding import hold
from misbehaviour import misbehave
from races import leak, race, register, share
from reading import read

from support.netns import bring_up_loopback

SCENES = {
    "differ": differ,
    "fail": fail,
    "hold": hold,
    "leak": leak,
    "misbehave": misbehave,
    "race": race,
    "read": read,
    "register": register,
    "share": share,
}


def main() -> None:
    modules, scene, *arguments = sys.argv[1:]
    bring_up_loopback()
    clear_leaks()
    SCENES[scene](Path(modules), *arguments)
    print(subprocess.run(["dmesg", "--notime"], capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
