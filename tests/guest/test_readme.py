# SPDX-License-Identifier: GPL-2.0
"""The README's examples of parameters."""

import re

from support import module, parameters
from support.netns import run
from support.paths import TOP

README = TOP / "README.md"


def _examples() -> dict[str, str]:
    """Returns the example in each row of the table of parameters, by the row's names."""
    text = README.read_text()
    rows = re.findall(r"^\| (`[^|]*) \|.*\| `((?:[^`|]|\\\|)*)`[^|`]*(?:`[^`]*`[^|`]*)* \|$", text, re.MULTILINE)
    return {names: example.replace("\\|", "|") for names, example in rows if "=" in example}


def test_each_parameter_has_an_example_that_works() -> None:
    names = {file.split(":")[0] for file in run("modinfo", "-F", "parm", str(module.FILE)).splitlines()} - {"counts"}
    examples = _examples()
    assert {name for row in examples for name in re.findall(r"`(\w+)`", row)} == names
    with parameters.loaded(""):
        defaults = {name: parameters.get(name) for name in names}
    for row, example in examples.items():
        run("sh", "-c", f"insmod {module.FILE} {example}")
        hooked_in, expected = module.hooks(), parameters.hooked_in()
        given = {name: parameters.get(name) for name in re.findall(r"(?:^| )(\w+)=", example)}
        run("rmmod", module.NAME)
        assert set(given) & set(re.findall(r"`(\w+)`", row)), example
        assert hooked_in == expected, example
        # Each is active: none has its default.
        assert all(defaults[name] != value for name, value in given.items()), (example, given)
