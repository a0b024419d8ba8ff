# SPDX-License-Identifier: MIT
"""Each public header compiles alone, without our flags, and declares its functions as C functions.

usage: headers.py STANDARD INCLUDE_DIR INCLUDE_DIR COMPILER...
"""

import pathlib
import subprocess
import sys
import tempfile

import public_api

WARNINGS = ["-pedantic", "-Wall", "-Wextra", "-Werror"]


def source(header):
    """A program that includes one header, twice, and refers to each function it declares."""
    name = header.name.removesuffix(".in")
    names = [f.name for f in public_api.functions() if f.header == header]
    include = f"#include <zcswap/{name}>\n"
    refs = "".join(f"\t(void)&{n};\n" for n in names)
    keep = [f.name for f in public_api.functions() if f.header == header and f.exported]
    table = "".join(f"\t(void (*)(void)){n},\n" for n in keep) or "\t0,\n"
    return (
        f"{include}{include}"
        f"void use(void);\nvoid use(void)\n{{\n{refs}}}\n"
        f"extern void (*const table[])(void);\nvoid (*const table[])(void) = {{\n{table}}};\n"
    )


def undefined(obj):
    out = subprocess.run(
        ["nm", "--undefined-only", obj], check=True, capture_output=True, text=True
    ).stdout
    return {line.split()[-1] for line in out.splitlines()}


def check(header, standard, includes, compiler, directory):
    language = "c++" if standard.startswith("c++") else "c"
    path, obj = directory / "alone.x", directory / "alone.o"
    path.write_text(source(header))
    command = [*compiler, f"-std={standard}", *WARNINGS, *(f"-I{i}" for i in includes)]
    run = subprocess.run(
        [*command, "-x", language, "-c", path, "-o", obj], capture_output=True, text=True
    )
    if run.returncode:
        return [f"{header.name} as {standard}:\n{run.stderr}"]
    wanted = {f.name for f in public_api.functions() if f.header == header and f.exported}
    missing = wanted - undefined(obj)
    return [f"{header.name} as {standard}: {n} is not a C function" for n in sorted(missing)]


def main(standard, include_a, include_b, *compiler):
    errors = []
    with tempfile.TemporaryDirectory() as directory:
        for header in public_api.HEADERS:
            errors += check(
                header, standard, (include_a, include_b), compiler, pathlib.Path(directory)
            )
    public_api.report(errors, f"{len(public_api.HEADERS)} headers as {standard}")


main(*sys.argv[1:])
