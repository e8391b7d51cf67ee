# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units and containers from control group paths as systemd and each runtime write them."""

from __future__ import annotations

import os

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel.proc import read_cgroup
from ansible_collections.cryptofleet.audit.plugins.module_utils._processes.placement import placement, user_unit
from hypothesis import given
from hypothesis import strategies as st

ID = "9ec39b91f3d70e1beff50a308f77067065ea6be0d91a3378375056cd4422cf3d"
INNER = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970"
UID = "74c13223-5a00-11e9-b385-42010a80018d"
FLAT = UID.replace("-", "_")


def v2(path):
    return [(0, b"", path.encode())]


def numbered(runtime, number=ID, **more):
    return dict(more, runtime=runtime, id=number)


def named(runtime, name):
    return {"runtime": runtime, "id": name, "name": name}


TABLE = [
    ("/", None, None),
    ("/init.scope", "init.scope", None),
    ("/system.slice/nginx.service", "nginx.service", None),
    ("/system.slice/nginx.service/worker", "nginx.service", None),
    ("/system.slice/nginx.service (deleted)", "nginx.service", None),
    ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", None),
    ("/system.slice/dev-disk-by\\x2duuid-1.swap", "dev-disk-by\\x2duuid-1.swap", None),
    ("/system.slice/_cpu.service", "cpu.service", None),
    ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", None),
    ("/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "user@1000.service", None),
    ("/user.slice", None, None),
    ("/some/cgroup", None, None),
    ("/system.slice/cups.socket", "cups.socket", None),
    # docker
    ("/system.slice/docker-%s.scope" % ID, "docker-%s.scope" % ID, numbered("docker")),
    ("/docker/" + ID, None, numbered("docker")),
    ("/docker/%s/docker/%s" % (ID, INNER), None, numbered("docker", INNER)),
    ("/system.slice/docker.service", "docker.service", None),
    ("/actions_job/" + ID, None, numbered("unknown")),
    ("/web.slice/docker-%s.scope/init.scope" % ID, "docker-%s.scope" % ID, numbered("docker")),
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-%s.scope" % ID, "user@1000.service", numbered("docker")),
    ("/user.slice/user-1000.slice/user@1000.service/app.slice/docker.service", "user@1000.service", None),
    ("/docker-ce/docker/" + ID, None, numbered("docker")),
    # podman
    ("/machine.slice/libpod-%s.scope/container" % ID, "libpod-%s.scope" % ID, numbered("podman")),
    ("/machine.slice/libpod-conmon-%s.scope" % ID, "libpod-conmon-%s.scope" % ID, None),
    ("/machine.slice/machine-libpod_pod_%s.slice/libpod-%s.scope" % (INNER, ID), "libpod-%s.scope" % ID, numbered("podman")),
    ("/libpod_parent/libpod-" + ID, None, numbered("podman")),
    ("/system.slice/web.service/libpod-payload-" + ID, "web.service", numbered("podman")),
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-%s.scope/container" % ID, "user@1000.service", numbered("podman")),
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_%s.slice/libpod-%s.scope/container" % (INNER, ID), "user@1000.service",
     numbered("podman")),
    ("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-" + ID, "user@1000.service", numbered("podman")),
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-conmon-%s.scope" % ID, "user@1000.service", None),
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/podman-4711.scope", "user@1000.service", None),
    ("/libpod_parent/%s/libpod-%s" % (INNER, ID), None, numbered("podman")),
    ("/libpod_parent/conmon", None, None),
    ("/machine.slice/libpod-%s.scope/container/system.slice/nginx.service" % ID, "libpod-%s.scope" % ID, numbered("podman")),
    # Kubernetes
    ("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod%s.slice/docker-%s.scope" % (FLAT, ID), "docker-%s.scope" % ID,
     numbered("docker", pod_uid=UID)),
    ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod%s.slice/crio-%s.scope" % (ID[:32], ID), "crio-%s.scope" % ID,
     numbered("cri-o", pod_uid=ID[:32])),
    ("/kubepods.slice/kubepods-pod%s.slice" % FLAT, None, None),
    ("/kubepods/burstable/pod%s/crio-conmon-%s" % (UID, ID), None, None),
    ("/kubepods/pod%s/%s/system.slice/x.service" % (UID, ID), None, numbered("kubernetes", pod_uid=UID)),
    ("/kubelet/kubepods/besteffort/pod%s/%s" % (UID, ID), None, numbered("kubernetes", pod_uid=UID)),
    ("/system.slice/crio.service", "crio.service", None),
    ("/system.slice/containerd.service", "containerd.service", None),
    ("/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-%s.scope" % ID, "user@1000.service", numbered("containerd")),
    ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod%s.slice/cri-containerd-%s.scope" % (FLAT, ID), "cri-containerd-%s.scope" % ID,
     numbered("containerd", pod_uid=UID)),
    ("/kubepods.slice/kubepods-pod%s.slice/crio-%s.scope/container" % (FLAT, ID), "crio-%s.scope" % ID, numbered("cri-o", pod_uid=UID)),
    ("/kubepods.slice/kubepods-pod%s.slice/crio-conmon-%s.scope" % (FLAT, ID), "crio-conmon-%s.scope" % ID, None),
    ("/kubepods/besteffort/pod%s/%s" % (UID, ID), None, numbered("kubernetes", pod_uid=UID)),
    ("/kubepods/burstable/pod%s/%s" % (ID[:32], ID), None, numbered("kubernetes", pod_uid=ID[:32])),
    ("/kubepods/burstable/pod%s/crio-%s" % (UID, ID), None, numbered("cri-o", pod_uid=UID)),
    ("/system.slice/containerd.service/kubepods-burstable-pod%s.slice:cri-containerd:%s" % (FLAT, ID), "containerd.service",
     numbered("containerd", pod_uid=UID)),
    ("/docker/%s/kubelet.slice/kubelet-kubepods-pod%s.slice/cri-containerd-%s.scope" % (INNER, FLAT, ID), None, numbered("containerd", pod_uid=UID)),
    ("/../../kubepods-pod%s.slice/cri-containerd-%s.scope" % (FLAT, ID), "cri-containerd-%s.scope" % ID, numbered("containerd", pod_uid=UID)),
    ("/system.slice/nerdctl-%s.scope" % ID, "nerdctl-%s.scope" % ID, numbered("containerd")),
    # Amazon ECS
    ("/ecs/%s/%s-1234567890" % (ID[:32], ID[:32]), None, numbered("ecs", ID[:32] + "-1234567890")),
    ("/ecs/cluster/%s/%s" % (UID, ID), None, numbered("ecs")),
    # LXC, LXD, Proxmox
    ("/lxc.payload.web1/system.slice/nginx.service", "nginx.service", named("lxc", "web1")),
    ("/lxc.monitor.web1", None, None),
    ("/lxc/101/ns/system.slice/nginx.service", None, named("lxc", "101")),
    ("/lxc.payload/old/init.scope", "init.scope", named("lxc", "old")),
    ("/lxc.payload.project_web1/init.scope", "init.scope", named("lxc", "project_web1")),
    ("/lxc.payload.outer/lxc.payload.inner/system.slice/x.service", "x.service", named("lxc", "inner")),
    ("/lxc/outer/lxc/inner", None, named("lxc", "inner")),
    ("/lxc.payload.web1/system.slice/docker-%s.scope" % ID, None, numbered("docker")),
    ("/user.slice/user-1000.slice/user@1000.service/app.slice/lxc.payload.mine/init.scope", "user@1000.service", named("lxc", "mine")),
    ("/lxc.pivot", None, None),
    # systemd-nspawn and its neighbours
    ("/machine.slice/machine-deb\\x2d12.scope/payload/system.slice/x.service", "machine-deb\\x2d12.scope", named("systemd-nspawn", "deb-12")),
    ("/machine.slice/systemd-nspawn@deb.service/payload/init.scope", "systemd-nspawn@deb.service", named("systemd-nspawn", "deb")),
    ("/machine.slice/systemd-nspawn@deb.service/supervisor", "systemd-nspawn@deb.service", None),
    ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", "machine-qemu\\x2d1\\x2dvm.scope", None),
    ("/machine.slice/machine-lxc\\x2d7\\x2da.scope", "machine-lxc\\x2d7\\x2da.scope", named("libvirt-lxc", "lxc-7-a")),
    ("/machine.slice/machine-deb.scope/payload/machine.slice/machine-inner.scope/payload/init.scope", "machine-deb.scope", named("systemd-nspawn", "inner")),
    ("/machine.slice/machine-deb.scope/supervisor", "machine-deb.scope", None),
    ("/machine.slice", None, None),
    ("/machine.slice/machine-deb.scope/payload/system.slice/docker-%s.scope" % ID, "machine-deb.scope", numbered("docker")),
    # look-alikes
    ("/system.slice/docker-short.scope", "docker-short.scope", None),
    ("/x/mydocker-%s.scope.d" % ID, None, None),
    ("/system.slice/" + "a" * 300 + ".service", None, None),
    ("/system.slice/a b.service", None, None),
]


@pytest.mark.parametrize("path, unit, container", TABLE)
def test_cgroup_v2(path, unit, container):
    assert placement(v2(path)) == (unit, container)


@pytest.mark.parametrize("path, unit, container", TABLE)
def test_cgroup_v1(path, unit, container):
    raw = path.encode()
    assert placement([(12, b"cpu,cpuacct", raw), (5, b"memory", raw), (1, b"name=systemd", raw)]) == (unit, container)


@pytest.mark.parametrize("path, unit, container", TABLE)
def test_hybrid(path, unit, container):
    raw = path.encode()
    assert placement([(3, b"pids", b"/other"), (1, b"name=systemd", raw), (0, b"", raw)]) == (unit, container)


def test_container_known_to_a_controller_only():
    cgroups = [(4, b"memory", b"/docker/" + ID.encode()), (1, b"name=systemd", b"/system.slice/docker.service"), (0, b"", b"/")]
    assert placement(cgroups) == ("docker.service", numbered("docker"))


def test_nothing_known():
    assert placement(None) == placement([]) == (None, None)


def test_user_unit():
    assert user_unit(v2("/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service")) == "foo.service"
    assert user_unit(v2("/system.slice/nginx.service")) is None
    assert user_unit(None) is None


def test_name_that_is_not_utf8():
    assert placement([(0, b"", b"/lxc.payload.\xff/x")])[1] == named("lxc", "\\xff")


def test_this_process():
    unit, container = placement(read_cgroup(os.getpid()))
    assert unit is None or "." in unit
    assert container is None or set(container) <= {"runtime", "id", "name", "pod_uid"}


@given(st.lists(st.tuples(st.integers(0, 20), st.binary(max_size=20), st.binary(max_size=300))))
def test_junk_never_raises(cgroups):
    placement(cgroups)
    user_unit(cgroups)


@given(st.lists(st.sampled_from(["docker", "lxc", "lxc.payload", "ecs", ID, "pod" + UID, "machine-a\\x2d.scope", "x.slice", "user@1.service", "..", "_"])))
def test_any_order_of_known_parts(parts):
    unit, container = placement(v2("/" + "/".join(parts)))
    assert unit is None or isinstance(unit, str)
    assert container is None or container["runtime"] and container["id"]
