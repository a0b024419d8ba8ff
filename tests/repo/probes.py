#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# The static probes are in the library, by the names that lib/common/probe.h's users give them and zcswap(7) tells.
# probes.py LIBRARY LIB-DIRECTORY

import glob
import re
import shutil
import subprocess
import sys


def notes(library):
    out = subprocess.run(["readelf", "--notes", "--wide", library], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return set(re.findall(r"Provider: zcswap\s+Name: (\w+)", out))


def named(directory):
    names = set()
    for path in glob.glob(f"{directory}/*/*.c"):
        with open(path, encoding="utf-8") as f:
            names |= set(re.findall(r"\bZCS_PROBE3\((\w+),", f.read()))
    return names


def main():
    library, directory = sys.argv[1:]
    manpage = f"{directory}/man/zcswap.7"
    if not shutil.which("readelf"):
        print("no readelf")
        return 77
    have, want = notes(library), named(directory)
    if not have:
        print("built without <sys/sdt.h>: there are no probes")
        return 77
    status = 0
    for name in sorted(want - have):
        print(f"probe {name}: not in the library")
        status = 1
    with open(manpage, encoding="utf-8") as f:
        text = f.read()
    for name in sorted(want):
        if not re.search(rf"^{name}\(", text, re.M):
            print(f"probe {name}: {manpage} does not tell of it")
            status = 1
    print(f"{len(want)} probes: {' '.join(sorted(want))}")
    return status


if __name__ == "__main__":
    sys.exit(main())
