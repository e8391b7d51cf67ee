# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd unit and the container of a process, derived from the paths of its control groups.

Control groups below a user's service manager (user@UID.service) have names that the user chose, so a container there is only a claim. The
unit is set by systemd, and the user cannot change it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re

from .._text import to_text

# systemd src/basic/unit-name.c: characters of a unit name and UNIT_NAME_MAX; unit-def.c: the types that have processes.
_UNIT = re.compile(rb"(?=.{1,255}\Z)[A-Za-z0-9:_.\\@-]+\.(?:service|scope|socket|mount|swap)")
_SLICE = re.compile(rb"(?=.{1,255}\Z)[A-Za-z0-9:_.\\@-]+\.slice")

_ID = rb"(?P<id>[0-9a-f]{64})"
# Names of control groups that contain one container. Each runtime's helper (conmon, lxc.monitor, supervisor) is outside of it.
_CONTAINERS = (
    # moby daemon/oci_linux.go: systemd driver "SLICE:docker:ID"; cgroupfs driver "/docker/ID"
    ("docker", re.compile(rb"(?:docker-" + _ID + rb"\.scope)")),
    # podman libpod/oci_conmon_common.go, libpod/container_internal_linux.go: libpod-ID.scope, libpod-payload-ID (cgroups=split)
    ("podman", re.compile(rb"(?:libpod-(?:payload-)?" + _ID + rb"(?:\.scope)?)")),
    # containerd internal/cri/server/podsandbox/helpers.go: SLICE:cri-containerd:ID; nerdctl pkg/cmd/container/create.go
    ("containerd", re.compile(rb"(?:(?:cri-containerd|nerdctl)-" + _ID + rb"\.scope)")),
    # cri-o internal/config/cgmgr/cgroupfs.go, systemd.go: crio-ID
    ("cri-o", re.compile(rb"(?:crio-" + _ID + rb"(?:\.scope)?)")),
)
# A runtime with the cgroupfs driver that was given a name for the systemd driver: "kubepods-podUID.slice:cri-containerd:ID" as one folder.
_COLONS = re.compile(rb"[^/]*:(?P<runtime>docker|cri-containerd|nerdctl|libpod|crio):" + _ID)
_COLON_RUNTIMES = {b"docker": "docker", b"cri-containerd": "containerd", b"nerdctl": "containerd", b"libpod": "podman", b"crio": "cri-o"}
_BARE_ID = re.compile(_ID)
# Amazon ECS on Fargate: /ecs/TASK/TASK-NUMBER
_ECS = re.compile(rb"(?P<id>[0-9a-f]{32}-[0-9]+)")
# kubelet pkg/kubelet/cm/pod_container_manager_linux.go: "podUID"; the systemd driver turns "-" into "_" in a slice's name. A static
# pod's UID is a hash of 32 digits.
_POD = re.compile(rb"(?:.*-)?pod(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?::.*)?")
# lxc src/lxc/cgroups/cgfsng.c: DEFAULT_PAYLOAD_CGROUP_PREFIX; LXD and Incus use the same. Before LXC 4: /lxc/NAME.
_LXC = re.compile(rb"lxc\.payload\.(?P<id>.+)", re.DOTALL)
# systemd src/machine/machine-dbus.c: machine-NAME.scope; units/systemd-nspawn@.service.in
_MACHINE = re.compile(rb"(?:machine-(?P<id>.+)\.scope|systemd-nspawn@(?P<service>.+)\.service)", re.DOTALL)
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")

_DELETED = b" (deleted)"  # Linux kernel/cgroup/cgroup.c: proc_cgroup_show


def placement(cgroups):
    """The unit and the container of a process.

    :arg cgroups: list of ``(hierarchy, controllers, path)``, from _kernel.proc.read_cgroup(); or None.
    :returns: ``(unit, container)``.
        unit: str, the system manager's unit as systemctl spells it (``\\x2d`` is kept); None where there is none. In a system container
        that is not in a unit of the host (LXC), the unit inside it. For a user's own services, only the user's manager.
        container: dict, or None. For nested containers, the innermost. Keys: runtime (``docker``, ``podman``, ``containerd``, ``cri-o``,
        ``kubernetes`` where the pod is known but not the runtime, ``ecs``, ``lxc`` (LXD and Incus too), ``systemd-nspawn``,
        ``libvirt-lxc``, ``rkt``, ``unknown``); id (str); name (str; for runtimes whose control groups have names); pod_uid (str; in a
        Kubernetes pod).
    """
    unit = container = None
    for path in _paths(cgroups or ()):
        parts = [part for part in path.split(b"/") if part and part != b".."]
        found, inside = _container(parts)
        if container is None:
            container = found
        if unit is None:
            unit = _unit(parts) or (_unit(parts[inside:]) if found is not None and found["runtime"] == "lxc" else None)
        if unit is not None and container is not None:
            break
    return unit, container


def user_unit(cgroups):
    """The unit of a user's service manager that a process is in, such as ``foo.service`` below ``user@1000.service``: str or None.

    :arg cgroups: as placement() takes them.
    """
    for path in _paths(cgroups or ()):
        parts = [part for part in path.split(b"/") if part]
        for number, part in enumerate(parts):
            if part.startswith(b"user@") and part.endswith(b".service"):
                return _unit(parts[number + 1:])
    return None


def _paths(cgroups):
    """The distinct paths, the most informative first: systemd's own hierarchy, cgroup v2, other controllers. List of bytes."""
    ranked = []
    for _hierarchy, controllers, path in cgroups:
        if path.endswith(_DELETED):
            path = path[:-len(_DELETED)]
        rank = 0 if controllers == b"name=systemd" else 1 if controllers == b"" else 2
        ranked.append((path == b"/", rank, path))
    seen = []
    for _root, _rank, path in sorted(ranked):
        if path not in seen:
            seen.append(path)
    return seen[:32]  # there are fewer hierarchies than this


def _unit(parts):
    """The unit (str or None) in the components of a path: the first that is not a slice, as in systemd's cg_path_get_unit."""
    for part in parts:
        if part.startswith(b"_"):  # systemd's cg_escape: the name would clash with one of the kernel's own files
            part = part[1:]
        if _SLICE.fullmatch(part):
            continue
        return part.decode("ascii") if _UNIT.fullmatch(part) else None
    return None


def _container(parts):
    """The innermost container in the components of a path: ``(container or None, index of the first component inside it)``."""
    found, inside, pod = None, 0, None
    for number, part in enumerate(parts):
        match = _POD.fullmatch(part)
        if match:
            pod = match.group("uid").replace(b"_", b"-").decode("ascii")
        entry = _of_part(parts, number, pod)
        if entry is not None:
            found, inside = entry, number + 1
            if pod is not None:
                found["pod_uid"] = pod
    return found, inside


def _of_part(parts, number, pod):
    """The container (dict or None) that a component of a path names.

    :arg parts: list of bytes, the components.
    :arg number: int, index of the component.
    :arg pod: str, UID of the Kubernetes pod it is in; or None.
    """
    part = parts[number]
    before = parts[number - 1] if number else b""
    for runtime, pattern in _CONTAINERS:
        match = pattern.fullmatch(part)
        if match:
            return _entry(runtime, match.group("id"))
    match = _COLONS.fullmatch(part)
    if match:
        return _entry(_COLON_RUNTIMES[match.group("runtime")], match.group("id"))
    match = _BARE_ID.fullmatch(part)
    if match:
        if before == b"docker":
            return _entry("docker", part)
        if pod is not None:
            return _entry("kubernetes", part)
        if parts[0] == b"ecs":
            return _entry("ecs", part)
        return _entry("unknown", part)
    if parts[0] == b"ecs" and number == 2 and _ECS.fullmatch(part):
        return _entry("ecs", part)
    return _of_system_container(parts, number, part, before)


def _of_system_container(parts, number, part, before):
    """Like _of_part(), for LXC and systemd-nspawn, whose containers have names and no ids."""
    match = _LXC.fullmatch(part)
    if match:
        return _entry("lxc", match.group("id"), named=True)
    if before in (b"lxc", b"lxc.payload") and (number == 1 or parts[0] in (b"lxc", b"lxc.payload")):  # the second: a container inside another one
        return _entry("lxc", part, named=True)
    match = _MACHINE.fullmatch(part)
    if match is None or parts[number + 1:number + 2] == [b"supervisor"]:
        return None
    name = _ESCAPE.sub(lambda escape: bytes([int(escape.group(1), 16)]), match.group("id") or match.group("service"))
    if match.group("id"):
        if name.startswith((b"qemu-", b"xen-", b"bhyve-", b"ch-")):  # libvirt's virtual machines: their processes are not visible here
            return None
        if name.startswith(b"lxc-"):
            return _entry("libvirt-lxc", name, named=True)
        if name.startswith(b"rkt-"):
            return _entry("rkt", name, named=True)
    return _entry("systemd-nspawn", name, named=True)


def _entry(runtime, identity, named=False):
    """The container (dict) of a runtime (str) with this id (bytes), which is its name too where named is True."""
    text = to_text(identity)[0]
    return {"runtime": runtime, "id": text, "name": text} if named else {"runtime": runtime, "id": text}
