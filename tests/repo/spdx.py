# SPDX-License-Identifier: MIT
"""Every source file says under which licence it is, in one of its first three lines."""

import os

import public_api

SUFFIXES = (".c", ".h", ".in", ".py", ".sh", ".map", ".3", ".7", ".vert", ".frag", ".comp")
NAMES = ("meson.build", "meson_options.txt", "packages", "setup", "run", "quickstart")
FOLDERS = (".", "include", "lib", "examples", "tests", "bench", ".ci")
LINE = "SPDX-License-Identifier: MIT"


def sources():
    for folder in FOLDERS:
        for path, dirs, files in os.walk(public_api.ROOT / folder):
            if folder == ".":
                dirs.clear()
            dirs[:] = [d for d in dirs if d != "__pycache__"]
            for name in files:
                if name in NAMES or name.endswith(SUFFIXES):
                    yield os.path.join(path, name)


def has_line(path):
    with open(path, encoding="utf-8") as f:
        return any(LINE in f.readline() for _ in range(3))


def main():
    paths = list(sources())
    errors = [
        f"{os.path.relpath(path, public_api.ROOT)}: no '{LINE}' in its first three lines"
        for path in sorted(paths)
        if not has_line(path)
    ]
    public_api.report(errors, f"{len(paths)} files")


main()
