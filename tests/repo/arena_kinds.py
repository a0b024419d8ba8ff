# SPDX-License-Identifier: MIT
"""A kind of memory is named in lib/arena/ and in the pool's table of kinds to try, and nowhere else in the library.

Whatever differs between kinds stands behind struct zcs_arena_ops, so that a new kind is one new file.
"""

import re

import public_api

LIB = public_api.ROOT / "lib"
TABLE = "pool/pool_kinds.c"
ENUM = re.compile(r"^enum zcs_arena_kind \{(.*?)\};", re.M | re.S)


def kinds():
    names = re.findall(r"ZCS_ARENA_\w+", ENUM.search((LIB / "arena/arena.h").read_text())[1])
    return [name for name in names if name != "ZCS_ARENA_KINDS"]


def main():
    names, errors = kinds(), []
    pattern = re.compile(r"\b(?:%s)\b" % "|".join(names))
    for path in sorted(LIB.rglob("*.[ch]")):
        file = str(path.relative_to(LIB))
        if file.startswith("arena/") or file == TABLE:
            continue
        for nr, line in enumerate(path.read_text().splitlines(), 1):
            errors += [f"lib/{file}:{nr}: names {name}; ask a constant of struct zcs_arena_ops"
                       for name in pattern.findall(line)]
    table = (LIB / TABLE).read_text()
    errors += [f"lib/{TABLE}: has no {name}, so that no pool uses that kind" for name in names if name not in table]
    public_api.report(errors, f"{len(names)} kinds")


main()
