# SPDX-License-Identifier: MIT
"""A room of the library, a folder of lib/, calls no room above it and reads no private header of another.

usage: layers.py ARCHIVE LIB

ARCHIVE has the library's objects: their undefined symbols tell who calls whom, whatever the headers say. LIB is the
folder lib/ of the sources: its #includes tell who can see what. What breaks a rule and is known is listed below as
a debt with its reason. A debt that is paid fails until its line is gone, so that the list only gets shorter.
"""

import collections
import pathlib
import re
import subprocess
import sys

# From the lowest to the highest.
ROOMS = "common sys arena swap pool store backup tt device".split()

# (lower room, its function pointer, upper room, text in the upper room that hands its function down): the calls
# upward that are meant, each through a pointer that the lower room's headers declare.
UPCALLS = {
    ("pool", "reclaim", "device", "zcs_pool_set_hooks("): "an allocation on the limit asks the device to evict",
    ("pool", "wake", "device", "zcs_pool_set_hooks("): "the background thread begins at the water mark",
    ("pool", "give_up", "store", ".give_up = "): "memory that was read ahead is free for who needs it",
    ("store", "written", "backup", ".written = "): "the store holds a block: its pages are uncharged and freed",
    ("store", "dropped", "backup", ".dropped = "): "a block is dropped: its pages are the pool's again",
    ("store", "split", "backup", ".split = "): "a part of a block is dropped",
    ("store", "zero", "backup", ".zero = "): "the same, of memory that cannot be split",
    ("tt", "slow", "device", "zcs_tt_touch("): "another fault thread serves while this one waits",
    ("swap", "done", "store", ".done = "): "a transfer ended",
}

# (room, symbol of a room above it)
DEBT_CALLS = {
}

# (room, header of a room above it)
DEBT_UPWARD = {
}

# (room, private header of another room)
DEBT_PRIVATE = {
}

# What only the room "store" knows, beside the swap below it: how its own store keeps a block. Rooms above it ask the
# store, whatever its kind.
OF_THE_STORE = re.compile(r'zcs_wb_\w*|zcs_swap_\w*|zcs_same_\w*|zcs_local\w*|ZCS_E_S(?:LOT|AME)\w*|->wb\b'
                          r'|"(?:swap/|store/local_priv|store/same)[\w./]*"')


def room_of(path):
    return path.partition("/")[0]


def is_above(room, other):
    return ROOMS.index(room) > ROOMS.index(other)


def source_files(lib):
    """Paths below @lib, as room/file."""
    files = [p for p in lib.rglob("*") if p.suffix in (".c", ".h")]
    return sorted(str(p.relative_to(lib)) for p in files)


def symbols(archive):
    """({symbol: file that defines it}, {file: symbols that it needs}), a file as room/file.c."""
    out = subprocess.run(["nm", archive], check=True, capture_output=True, text=True).stdout
    defined, needed, file = {}, collections.defaultdict(set), None
    for line in out.splitlines():
        member = re.fullmatch(r"(?:.*/)?(\w+)\.c\.o:", line)
        words = line.split()
        if member:
            file = member[1].replace("_", "/", 1) + ".c"
        elif len(words) >= 2 and words[-2] == "U":
            needed[file].add(words[-1])
        elif len(words) >= 2 and words[-2] in "TDBRVWC":
            defined[words[-1]] = file
    return defined, needed


class Check:
    """What is wrong, in .errors; what is owed, by the way."""

    def __init__(self, lib, archive, calls, upward, private, upcalls):
        self.lib, self.archive, self.errors = lib, archive, []
        self.calls, self.upward, self.private, self.upcalls = calls, upward, private, upcalls
        self.owed = set()

    def break_rule(self, debts, key, text):
        if key in debts:
            self.owed.add((id(debts), key))
        else:
            self.errors.append(text)

    def check_rooms(self, files):
        for file in files:
            if room_of(file) not in ROOMS:
                self.errors.append(f"lib/{file}: is in none of the rooms {', '.join(ROOMS)}")

    def check_includes(self, files):
        for file in files:
            text, room = (self.lib / file).read_text(), room_of(file)
            for header in re.findall(r'^#include "(.+)"', text, re.M):
                self.check_include(file, room, header)

    def check_include(self, file, room, header):
        other = room_of(header) if "/" in header else room
        if not (self.lib / room / header).exists() and not (self.lib / header).exists():
            self.errors.append(f"lib/{file}: there is no {header}")
        elif other not in ROOMS:
            self.errors.append(f'lib/{file}: includes "{header}", which names no room')
        elif other == room:
            return
        if header.endswith("_priv.h"):
            self.break_rule(self.private, (room, header),
                            f"lib/{file}: {room} includes {header}, which is private to {other}")
        if is_above(other, room):
            self.break_rule(self.upward, (room, header),
                            f"lib/{file}: {room} includes {header} of {other}, a room above it")

    def check_words(self, files):
        for file in files:
            if is_above(room_of(file), "store"):
                for word in sorted(set(OF_THE_STORE.findall((self.lib / file).read_text()))):
                    self.errors.append(f"lib/{file}: names {word}, of which only the store knows")

    def check_calls(self):
        defined, needed = symbols(self.archive)
        for file in sorted(needed):
            for name in sorted(needed[file] & defined.keys()):
                room, other = room_of(file), room_of(defined[name])
                if is_above(other, room):
                    self.break_rule(self.calls, (room, name), f"lib/{file}: {room} uses {name}() of {other},"
                                    f" a room above it (lib/{defined[name]})")
        return defined

    def check_upcalls(self):
        for lower, pointer, upper, witness in self.upcalls:
            if not self.has(lower, "*.h", rf"\(\*{pointer}\)\(|_fn \*{pointer};"):
                self.errors.append(f"upcall {lower} -> {upper}: no header of {lower} has a pointer {pointer}")
            if not self.has(upper, "*.c", re.escape(witness)):
                self.errors.append(f"upcall {lower} -> {upper}: {upper} nowhere has '{witness}'")

    def has(self, room, pattern, expression):
        return any(re.search(expression, p.read_text()) for p in (self.lib / room).glob(pattern))

    def check_debts(self):
        for debts, name in ((self.calls, "DEBT_CALLS"), (self.upward, "DEBT_UPWARD"),
                            (self.private, "DEBT_PRIVATE")):
            for key in debts:
                if (id(debts), key) not in self.owed:
                    self.errors.append(f"{name}: {key} is paid: take its line away")

    def run(self):
        files = source_files(self.lib)
        self.check_rooms(files)
        if self.errors:
            return 0
        self.check_includes(files)
        self.check_words(files)
        count = len(self.check_calls())
        self.check_upcalls()
        self.check_debts()
        return count


def main(archive, lib):
    check = Check(pathlib.Path(lib), archive, DEBT_CALLS, DEBT_UPWARD, DEBT_PRIVATE, UPCALLS)
    count = check.run()
    for error in check.errors:
        print(error)
    if not count and not check.errors:
        print(f"nm finds no symbols in {archive}")
        return 77
    owed = len(DEBT_CALLS) + len(DEBT_UPWARD) + len(DEBT_PRIVATE)
    print(f"{count} symbols of {len(ROOMS)} rooms, {len(UPCALLS)} upcalls, {owed} debts")
    return 1 if check.errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
