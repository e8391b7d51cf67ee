# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile's ``host``: its name, ids, kernel, operating system, and the container or virtual machine that it runs in.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import hashlib
import os

_SALT = b"cryptofleet.audit"


def _line(path):
    """Read a small file.

    :arg path: str.
    :returns: str without white space and NUL at both ends, or None where the file is absent, not permitted or empty.
    """
    try:
        with open(path, "rb") as stream:
            return stream.read(65536).strip(b" \t\r\n\0").decode("utf-8", "replace") or None
    except OSError:
        return None


def _os_release():
    """The operating system by os-release(5): dict with id, version_id and name, each str or None."""
    values = {}
    for line in (_line("/etc/os-release") or _line("/usr/lib/os-release") or "").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            values[key.strip()] = value.strip().strip("\"'") or None
    return {"id": values.get("ID"), "version_id": values.get("VERSION_ID"), "name": values.get("PRETTY_NAME") or values.get("NAME")}


# systemd src/basic/virt.c, dmi_vendor_table: prefix of a DMI field, name of the hypervisor.
_DMI_PREFIXES = (
    ("KVM", "kvm"), ("OpenStack", "kvm"), ("KubeVirt", "kvm"), ("Amazon EC2", "amazon"), ("QEMU", "qemu"), ("VMware", "vmware"),
    ("VMW", "vmware"), ("innotek GmbH", "oracle"), ("VirtualBox", "oracle"), ("Oracle Corporation", "oracle"), ("Xen", "xen"),
    ("Bochs", "bochs"), ("Parallels", "parallels"), ("BHYVE", "bhyve"), ("Hyper-V", "microsoft"),
    ("Apple Virtualization", "apple"), ("Google Compute Engine", "google"),
)


def _container():
    """The manager of the container that this host is (systemd's Container Interface): str, or None outside of a container."""
    manager = _line("/run/systemd/container")
    if manager:
        return manager
    for entry in (_line("/proc/1/environ") or "").split("\0"):
        if entry.startswith("container=") and len(entry) > 10:
            return entry[10:74]
    if os.path.exists("/run/.containerenv"):
        return "podman"
    if os.path.exists("/.dockerenv"):
        return "docker"
    return None


def _virtualisation():
    """The container or virtual machine that this host is: str, as systemd-detect-virt(1) names it; None on bare metal."""
    manager = _container()
    if manager:
        return manager
    for field in ("product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"):
        text = _line("/sys/class/dmi/id/" + field) or ""
        for prefix, name in _DMI_PREFIXES:
            if text.startswith(prefix):
                return name
    if _line("/sys/hypervisor/type") == "xen":
        return "xen"
    compatible = _line("/proc/device-tree/hypervisor/compatible")
    if compatible:
        return "kvm" if "kvm" in compatible else "vm-other"
    for line in (_line("/proc/sysinfo") or "").splitlines():  # s390x
        if line.startswith("VM00 Control Program:"):
            return "zvm" if "z/VM" in line else "kvm"
    for line in (_line("/proc/cpuinfo") or "").splitlines():
        if line.startswith("flags"):
            return "vm-other" if " hypervisor" in line else None
    return None


def host_identity():
    """Read the profile's ``host``.

    :returns: dict: hostname, machine_id_hash, boot_id, kernel, arch, os, virtualisation; None for each that is unknown. machine_id_hash is
        SHA-256 over the collection's name, NUL and the text of machine-id(5), which itself should not be published.
    """
    machine = _line("/etc/machine-id") or _line("/var/lib/dbus/machine-id")
    if machine == "uninitialized":
        machine = None
    names = os.uname()
    return {
        "hostname": names.nodename or None,
        "machine_id_hash": hashlib.sha256(_SALT + b"\0" + machine.encode("utf-8")).hexdigest() if machine else None,
        "boot_id": _line("/proc/sys/kernel/random/boot_id"),
        "kernel": names.release or None,
        "arch": names.machine or None,
        "os": _os_release(),
        "virtualisation": _virtualisation(),
    }
