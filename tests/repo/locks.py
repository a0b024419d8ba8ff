# SPDX-License-Identifier: MIT
"""The table of locks in lib/README.md has every lock of the library, and no other."""

import re

import public_api

LIB = public_api.ROOT / "lib"
MEMBER = re.compile(r"^\t_?\w*\s*pthread_(?:mutex|rwlock)_t (\w+);", re.M)
STATIC = re.compile(r"^static pthread_(?:mutex|rwlock)_t (\w+)\b", re.M)
STRUCT = re.compile(r"^(?:extern |static )?struct (\w+) \{$(.*?)^\}", re.M | re.S)


def locks_of(path):
    text = path.read_text()
    found = {f"`{name}.{lock}`" for name, body in STRUCT.findall(text) for lock in MEMBER.findall(body)}
    found |= {f"`{lock}` in `{path.name}`" for lock in STATIC.findall(text)}
    count = len(re.findall(r"pthread_(?:mutex|rwlock)_t \w+(?:;| =)", text))
    if count != len(found):
        raise SystemExit(f"{path}: has {count} locks, of which only these were understood: {sorted(found)}")
    return found


def main():
    have = set().union(*(locks_of(p) for p in LIB.rglob("*.[ch]")))
    section = (LIB / "README.md").read_text().partition("## Locks")[2].partition("\n## ")[0]
    table = re.findall(r"^\| (`[\w.]+`(?: in `\w+\.c`)?) \|", section, re.M)
    listed = {lock for lock in table if "." in lock}
    public_api.report(
        [f"{lock}: is not in the table of lib/README.md" for lock in sorted(have - listed)] +
        [f"{lock}: is in the table of lib/README.md, but not in the library" for lock in sorted(listed - have)],
        f"{len(have)} locks")


main()
