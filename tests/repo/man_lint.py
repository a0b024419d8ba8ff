# SPDX-License-Identifier: MIT
"""mandoc has nothing to say about the manual pages."""

import shutil
import subprocess

import public_api


def main():
    pages = sorted((public_api.ROOT / "lib/man").glob("*.[37]"))
    if not shutil.which("mandoc"):
        public_api.skip("mandoc is not installed")
    run = subprocess.run(
        ["mandoc", "-Tlint", "-Wwarning", *pages], capture_output=True, text=True
    )
    errors = (run.stdout + run.stderr).splitlines()
    if run.returncode and not errors:
        errors = [f"mandoc: exit status {run.returncode}"]
    if not pages:
        errors = ["lib/man is empty"]
    public_api.report(errors, f"{len(pages)} pages")


main()
