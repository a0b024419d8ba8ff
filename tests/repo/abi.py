# SPDX-License-Identifier: MIT
"""The library exports exactly what the map lists, and the map lists exactly what the headers declare.

usage: abi.py LIBRARY MAP SONAME
"""

import re
import subprocess
import sys

import public_api


def exported_symbols(library):
    """{name: version} of the dynamic symbols that the library defines."""
    out = subprocess.run(
        ["nm", "--dynamic", "--defined-only", library], check=True, capture_output=True, text=True
    ).stdout
    symbols = {}
    for line in out.splitlines():
        kind, name = line.split()[1:3]
        if kind != "A":
            symbol, _, version = name.partition("@")
            symbols[symbol] = version.strip("@")
    return symbols


def map_symbols(path):
    """{name: node} of the symbols listed as global in a version script."""
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.DOTALL)
    symbols = {}
    for node, body in re.findall(r"([\w.]+)\s*\{(.*?)\}", text, re.DOTALL):
        listed = body.partition("local:")[0].replace("global:", "")
        for name in listed.replace(";", " ").split():
            symbols[name] = node
    return symbols


def dynamic_section(library):
    return subprocess.run(
        ["readelf", "--dynamic", "--wide", library], check=True, capture_output=True, text=True
    ).stdout


def soname_of(version):
    """Until 1.0 a minor version may break the ABI, later only a major one."""
    major, minor, _ = version.split(".")
    return f"libzcswap.so.{'0.' + minor if major == '0' else major}"


def compare(name_a, a, name_b, b):
    for x in sorted(set(a) - set(b)):
        yield f"{x}: in {name_a}, not in {name_b}"
    for x in sorted(set(b) - set(a)):
        yield f"{x}: in {name_b}, not in {name_a}"


def main(library, map_path, version):
    dynamic, wanted_soname = dynamic_section(library), soname_of(version)
    soname = re.search(r"\(SONAME\).*\[(.*)\]", dynamic).group(1)
    symbols, listed = exported_symbols(library), map_symbols(map_path)
    errors = [
        *compare("the map", listed, "the headers", public_api.exported_names()),
        *compare("the map", listed, "the library", symbols),
    ]
    for name in sorted(set(symbols) & set(listed)):
        if symbols[name] != listed[name]:
            errors.append(f"{name}: exported as {symbols[name]!r}, the map says {listed[name]}")
    if soname != wanted_soname:
        errors.append(f"the library's SONAME is {soname}, not {wanted_soname}")
    if not re.search(r"\(FLAGS_1\).*\bNODELETE\b", dynamic):
        errors.append("dlclose() may unload the library, which has threads of its own")
    public_api.report(errors, f"{len(symbols)} symbols, {wanted_soname}")


main(*sys.argv[1:])
