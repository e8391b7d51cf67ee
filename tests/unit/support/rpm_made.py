# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds packages with rpmbuild, and a database of them with rpm."""

from __future__ import annotations

import subprocess

SPEC = """Name: {name}
{epoch}
Version: 1.2.3
Release: 4.el9
Summary: A test
License: GPL
BuildArch: noarch
%description
A test.
%install
mkdir -p %{{buildroot}}/usr/lib64 %{{buildroot}}/opt/{name}/many
echo 1 > %{{buildroot}}/usr/lib64/lib{name}.so.1
echo 1 > %{{buildroot}}/opt/{name}/libshared.so.1
for i in $(seq {files}); do echo 1 > %{{buildroot}}/opt/{name}/many/a_rather_long_file_name_number_$i; done
%files
/usr/lib64/lib{name}.so.1
/opt/{name}
"""


def install(root, packages):
    """Build packages and add them to root's usr/lib/sysimage/rpm/rpmdb.sqlite.

    :arg root: pathlib.Path, an empty folder.
    :arg packages: iterable of ``(name, further line of the spec file or "", number of files)``: str, str, int.
    """
    built = []
    for name, line, files in packages:
        (root / "x.spec").write_text(SPEC.format(name=name, epoch=line, files=files))
        subprocess.run(["rpmbuild", "-bb", "--define", "_topdir %s/top" % root, str(root / "x.spec")], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        built.append(str(root / "top/RPMS/noarch" / ("%s-1.2.3-4.el9.noarch.rpm" % name)))
    (root / "usr/lib/sysimage").mkdir(parents=True)
    subprocess.run(["rpm", "--dbpath", str(root / "usr/lib/sysimage/rpm"), "--define", "_db_backend sqlite", "-i", "--justdb", "--nodeps"] + built,
                   check=True, stderr=subprocess.DEVNULL)
