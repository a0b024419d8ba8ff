# SPDX-License-Identifier: MIT
"""The table of waits in lib/README.md has every file of the library that sleeps or yields and looks again.

Everything else waits in a condition, on a descriptor or for a thread to end: a wait that polls is slow, or costs a CPU.
"""

import re

import public_api

LIB = public_api.ROOT / "lib"
WAIT = re.compile(r"\b(?:zcs_sys_sleep_us|zcs_sys_backoff|zcs_sys_lock_for|sched_yield|clock_nanosleep|usleep|nanosleep)\(")
# Where the functions themselves stand, and a delay that a test asks for.
OWN = {"sys_time.c", "fault.c"}


def main():
    have = {p.name for p in LIB.rglob("*.c") if WAIT.search(p.read_text()) and p.name not in OWN}
    section = (LIB / "README.md").read_text().partition("## Waits that look again")[2]
    listed = set(re.findall(r"^\| `(\w+\.c)` \|", section, re.M))
    public_api.report(
        [f"{name}: waits by looking again, and is not in the table of lib/README.md" for name in sorted(have - listed)] +
        [f"{name}: is in the table of lib/README.md, but waits in conditions only" for name in sorted(listed - have)],
        f"{len(have)} files that look again")


main()
