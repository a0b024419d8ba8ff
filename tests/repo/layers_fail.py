# SPDX-License-Identifier: MIT
"""layers.py finds each fault that it is there for, in a small library that has one.

usage: layers_fail.py CC...
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import layers

CC = sys.argv[1:]
GOOD = {
    "sys/sys.h": "int zcs_sys(void);\n",
    "sys/sys_priv.h": "",
    "sys/sys.c": '#include "sys.h"\n#include "sys_priv.h"\nint zcs_sys(void) { return 1; }\n',
    "pool/pool.h": "extern int (*wake)(void);\nint zcs_pool(void);\n",
    "pool/pool.c": '#include "pool.h"\n#include "sys/sys.h"\nint (*wake)(void);\n'
                   "int zcs_pool(void) { return zcs_sys() + wake(); }\n",
    "tt/tt.c": '#include "pool/pool.h"\nint zcs_tt(void);\nint zcs_tt(void) { wake = zcs_tt; return 0; }\n',
}
WAKE = {("pool", "wake", "tt", "wake = "): ""}


def build(root, files):
    lib, objects = root / "lib", []
    for path, text in files.items():
        (lib / path).parent.mkdir(parents=True, exist_ok=True)
        (lib / path).write_text(text)
    for path in files:
        if path.endswith(".c"):
            objects.append(root / (path.replace("/", "_") + ".o"))
            subprocess.run([*CC, "-I", lib, "-c", lib / path, "-o", objects[-1]], check=True)
    subprocess.run(["ar", "rc", root / "lib.a", *objects], check=True)
    return lib


def errors(change=None, calls=(), upward=(), private=(), upcalls=tuple(WAKE)):
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        lib = build(root, GOOD | (change or {}))
        check = layers.Check(lib, root / "lib.a", dict.fromkeys(calls), dict.fromkeys(upward),
                             dict.fromkeys(private), dict.fromkeys(upcalls))
        check.run()
        return check.errors


CALL_UP = {"pool/pool.c": "int zcs_tt(void);\nint (*wake)(void);\nint zcs_pool(void);\n"
                          "int zcs_pool(void) { return zcs_tt(); }\n"}
INCLUDE_UP = {"sys/sys.c": '#include "pool/pool.h"\nint zcs_sys(void);\nint zcs_sys(void) { return 1; }\n'}
PRIVATE = {"tt/tt_more.h": '#include "sys/sys_priv.h"\n'}


class Layers(unittest.TestCase):
    def assert_only(self, found, *words):
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def test_nothing_is_wrong(self):
        self.assertEqual(errors(), [])

    def test_call_upward(self):
        self.assert_only(errors(CALL_UP), "lib/pool/pool.c", "zcs_tt()", "lib/tt/tt.c")

    def test_include_upward(self):
        self.assert_only(errors(INCLUDE_UP), "lib/sys/sys.c", "pool/pool.h", "above")

    def test_foreign_private_header(self):
        self.assert_only(errors(PRIVATE), "lib/tt/tt_more.h", "sys/sys_priv.h", "private")

    def test_word_of_the_store(self):
        self.assert_only(errors({"tt/tt_more.h": "void zcs_wb_mark(void);\n"}), "lib/tt/tt_more.h", "zcs_wb_mark")

    def test_missing_header(self):
        self.assert_only(errors({"tt/tt_more.h": '#include "sys.h"\n'}), "lib/tt/tt_more.h", "no sys.h")

    def test_no_room(self):
        self.assert_only(errors({"attic/a.h": ""}), "lib/attic/a.h", "none of the rooms")

    def test_known_debts(self):
        self.assertEqual(errors(CALL_UP, calls=[("pool", "zcs_tt")]), [])
        self.assertEqual(errors(INCLUDE_UP, upward=[("sys", "pool/pool.h")]), [])
        self.assertEqual(errors(PRIVATE, private=[("tt", "sys/sys_priv.h")]), [])

    def test_paid_debts(self):
        self.assert_only(errors(calls=[("pool", "zcs_tt")]), "DEBT_CALLS", "zcs_tt", "paid")
        self.assert_only(errors(upward=[("sys", "pool/pool.h")]), "DEBT_UPWARD", "paid")
        self.assert_only(errors(private=[("tt", "sys/sys_priv.h")]), "DEBT_PRIVATE", "paid")

    def test_upcall_that_is_gone(self):
        found = errors(upcalls=[("pool", "hook", "tt", "wake = ")])
        self.assert_only(found, "pool -> tt", "pointer hook")
        found = errors(upcalls=[("pool", "wake", "tt", "hook = ")])
        self.assert_only(found, "pool -> tt", "'hook = '")


unittest.main(argv=sys.argv[:1], verbosity=2)
