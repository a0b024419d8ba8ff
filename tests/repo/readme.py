# SPDX-License-Identifier: MIT
"""The first C example of README.md is a program that compiles without a warning and ends with 0.

usage: readme.py LIBRARY INCLUDE_DIR INCLUDE_DIR COMPILER...
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import public_api


def main(library, include_a, include_b, *compiler):
    readme = (public_api.ROOT / "README.md").read_text()
    block = re.search(r"^```c\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    if not block:
        public_api.report(["README.md: no C example"], "")
    library = os.path.abspath(library)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{include_a}", f"-I{include_b}"]
    with tempfile.TemporaryDirectory() as directory:
        source, program = pathlib.Path(directory, "example.c"), pathlib.Path(directory, "example")
        source.write_text(block.group(1))
        link = [library, f"-Wl,-rpath,{os.path.dirname(library)}"]
        status = subprocess.run([*compiler, *flags, source, "-o", program, *link]).returncode
        if status:
            public_api.report(["README.md: the C example does not compile"], "")
        status = subprocess.run([program], timeout=60).returncode
    errors = [f"README.md: the C example ended with {status}"] if status else []
    public_api.report(errors, "README.md's C example runs")


main(*sys.argv[1:])
