# SPDX-License-Identifier: MIT
"""zcswap(7) tells of every environment variable of the library, and the library reads them in one place."""

import re

import public_api

LIB = public_api.ROOT / "lib"
# Not ours: whether the child of sys_huge.c is safe to make.
OTHERS = {"lib/sys/sys_huge.c"}


def main():
    listed = set(re.findall(r'\bX\(\w+, "(\w+)"', (LIB / "common/env.h").read_text()))
    manual = (LIB / "man/zcswap.7").read_text()
    section = re.search(r"^\.Sh ENVIRONMENT$(.*?)^\.Sh ", manual, re.M | re.S)[1]
    told = set(re.findall(r"^\.It Ev (\w+)", section, re.M))
    errors = [f"{name}: zcswap(7) does not tell of it" for name in sorted(listed - told)]
    errors += [f"{name}: in zcswap(7), but not in lib/common/env.h" for name in sorted(told - listed)]
    for path in sorted(LIB.rglob("*.c")):
        name = str(path.relative_to(public_api.ROOT))
        if name not in OTHERS | {"lib/common/env.c"} and re.search(r"\bgetenv\(", path.read_text()):
            errors.append(f"{name}: calls getenv(); use zcs_env() of lib/common/env.h")
    public_api.report(errors, f"{len(listed)} variables")


main()
