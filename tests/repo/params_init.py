# SPDX-License-Identifier: MIT
"""Every struct that a caller fills in has an initializer, which is valid C11 and C++17 without a warning and gives
the defaults: params_init.c uses each of them.

usage: params_init.py LIBRARY INCLUDE_DIR INCLUDE_DIR STANDARD COMPILER...
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import public_api

SOURCE = pathlib.Path(__file__).with_suffix(".c")


def initializers():
    """{struct: initializer} of the structs with a struct_size; those that only tell statistics have none."""
    for header in public_api.HEADERS:
        for name in re.findall(r"^struct (\w+) \{\n\tsize_t struct_size;", header.read_text(), re.M):
            if not name.endswith("stats"):
                yield name, f"{name.upper()}_INIT", header


def check_names():
    used = SOURCE.read_text()
    for name, macro, header in initializers():
        if f"#define {macro}" not in header.read_text():
            yield f"{header.name}: struct {name} has no {macro}"
        if f"struct {name} " not in used or macro not in used:
            yield f"{SOURCE.name}: does not use {macro}"


def check_program(library, includes, standard, compiler):
    language = "c++" if standard.startswith("c++") else "c"
    flags = [f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    with tempfile.TemporaryDirectory() as directory:
        program = pathlib.Path(directory, "program")
        command = [*compiler, *flags, *(f"-I{i}" for i in includes)]
        link = ["-x", "none", library, f"-Wl,-rpath,{os.path.dirname(library)}"]
        if subprocess.run([*command, "-x", language, SOURCE, *link, "-o", program]).returncode:
            return [f"{SOURCE.name} does not compile as {standard}"]
        status = subprocess.run([program], timeout=60).returncode
    return [f"{SOURCE.name} as {standard} ended with {status}"] if status else []


def main(library, include_a, include_b, standard, *compiler):
    errors = list(check_names())
    errors += check_program(os.path.abspath(library), (include_a, include_b), standard, compiler)
    public_api.report(errors, f"{len(list(initializers()))} initializers as {standard}")


main(*sys.argv[1:])
