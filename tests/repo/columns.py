# SPDX-License-Identifier: MIT
"""No line of C is longer than 100 columns, comments included, but between "clang-format off" and "on".

clang-format sees to the code. It could fill comments as well (ReflowComments), but it takes tables and pictures for
prose and destroys them, so that comments are checked here.
"""

import pathlib

import public_api

FOLDERS = ("bench", "examples", "include", "lib", "tests")
MOST = 100


def long_lines(path):
    tables = False
    for number, line in enumerate(path.read_text().expandtabs(8).splitlines(), 1):
        if "clang-format o" in line:
            tables = "clang-format off" in line
        if len(line) > MOST and not tables:
            yield f"{path.relative_to(public_api.ROOT)}:{number}: {len(line)} columns"


def main():
    files = sorted(p for folder in FOLDERS for p in (public_api.ROOT / folder).rglob("*.[ch]"))
    if len(files) < 300:
        raise SystemExit(f"only {len(files)} files of C found")
    public_api.report(
        [text for path in files for text in long_lines(path)],
        f"{len(files)} files keep to {MOST} columns")


main()
