#!/usr/bin/env python3
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the BPF objects of bpf/ and write them as importable modules, or check that the committed ones are what bpf/ gives.

AnsiballZ ships only .py files to a managed host, so the objects of each architecture travel as one generated module:
base85 of xz of the object, with its SHA-256.

    build_bpf.py            compile and write plugins/module_utils/_kernel/objects_ARCH.py
    build_bpf.py --check    compile and compare byte by byte; exit 1 on a difference
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib.util
import lzma
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "bpf"
OBJECT_MODULES = ROOT / "plugins" / "module_utils" / "_kernel"

# Debian 12's default clang. Another major gives other bytes, so it is part of what is checked.
CLANG = "clang-14"
STRIP = "llvm-strip-14"
TARGETS = {"x86_64": "x86", "aarch64": "arm64"}
# object name -> (source, extra flags)
OBJECTS = {
    "process": ("process.bpf.c", []),
    "file_open": ("file_open/file_open.bpf.c", []),
    "openssl_api": ("openssl_api.bpf.c", ["-DATTACH_COOKIES"]),
    "openssl_api_rows": ("openssl_api.bpf.c", []),
    "wire": ("wire/wire.bpf.c", []),
    "wire_calls": ("wire/wire_calls.bpf.c", []),
}


def compile_object(source: str, target: str, flags: list[str]) -> bytes:
    """Return the stripped object (BTF kept) of one source for one kernel architecture."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "probe.o"
        # The asm/ headers of linux/types.h are found where gcc-multiarch puts them; they hold only integer types.
        # no-jump-tables: a switch turned into a table would share .rodata with the settings that user space replaces whole.
        # mcpu=v2: ALU32 (v3) hides 64-bit bounds from older verifiers (bpf: clamped copy, unclamped use).
        command = [CLANG, "-target", "bpf", "-mcpu=v2", "-fno-jump-tables", f"-D__TARGET_ARCH_{target}", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
                   f"-ffile-prefix-map={SOURCES}=bpf", "-I/usr/include/x86_64-linux-gnu", "-I/usr/include/aarch64-linux-gnu", "-I.",
                   *flags, "-c", source, "-o", str(output)]
        subprocess.run(command, cwd=SOURCES, check=True)
        subprocess.run([STRIP, "-g", str(output)], check=True)
        content = output.read_bytes()
        if b".rodata.cst" in content:  # a pool of constants, as of a struct's initialiser: libbpf 0.3 (Debian 11) refuses to relocate to it
            raise SystemExit(f"{source}: clang made a pool of constants; assign the members one by one")
        return content


def render(arch: str, objects: dict[str, bytes]) -> str:
    """Return the text of the generated module."""
    lines = [
        "# SPDX-FileCopyrightText: cryptofleet.audit contributors",
        "# SPDX-License-Identifier: GPL-2.0-or-later",
        f'"""BPF objects for {arch}, made by scripts/build_bpf.py from bpf/. Do not edit.',
        "",
        "This module util is PRIVATE to the collection. It can have breaking changes at any time.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "# object name -> (SHA-256 of the object, base85 of its xz)",
        "OBJECTS = {",
    ]
    for name, content in sorted(objects.items()):
        text = base64.b85encode(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)).decode()
        lines.append(f'    "{name}": (')
        lines.append(f'        "{hashlib.sha256(content).hexdigest()}",')
        lines.extend(f'        "{text[i:i + 120]}"' for i in range(0, len(text), 120))
        lines.append("    ),")
    lines.append("}")
    return "\n".join(lines) + "\n"


def committed(arch: str) -> dict[str, bytes]:
    """Return the objects held by the committed module of one architecture."""
    spec = importlib.util.spec_from_file_location("bpf_objects", OBJECT_MODULES / f"objects_{arch}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: lzma.decompress(base64.b85decode(text)) for name, (_digest, text) in module.OBJECTS.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed modules instead of writing them")
    check = parser.parse_args().check
    differing = []
    for arch, target in TARGETS.items():
        built = {name: compile_object(source, target, flags) for name, (source, flags) in OBJECTS.items()}
        if not check:
            (OBJECT_MODULES / f"objects_{arch}.py").write_text(render(arch, built))
            continue
        held = committed(arch)
        differing += [f"{arch}/{name}" for name in sorted(built.keys() | held.keys()) if built.get(name) != held.get(name)]
    if differing:
        print("committed BPF objects are not what bpf/ gives: " + ", ".join(differing) + "; run 'make bpf'", file=sys.stderr)
    elif check:
        print(f"{len(OBJECTS) * len(TARGETS)} BPF objects are byte for byte what bpf/ gives")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
