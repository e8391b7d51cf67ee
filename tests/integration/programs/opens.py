# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens files in every way the kernel offers, by the system calls themselves, as Python's os.open() adds flags.

``opens.py SCENARIO FOLDER [FLAGS...]``. A scenario is a function of this file. Each open is closed at once; that some fail is what the
tests look for.
"""

import ctypes
import os
import platform
import pwd
import shutil
import struct
import sys

# arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h
NUMBERS = {
    "x86_64": {"open": 2, "creat": 85, "pivot_root": 155, "mount": 165, "openat": 257, "name_to_handle_at": 303, "open_by_handle_at": 304, "openat2": 437},
    "aarch64": {"mount": 40, "pivot_root": 41, "openat": 56, "name_to_handle_at": 264, "open_by_handle_at": 265, "openat2": 437},
}[platform.machine()]
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
CLONE_NEWNS = 0x20000
RESOLVE_BENEATH = 8

libc = ctypes.CDLL(None, use_errno=True)
folder = sys.argv[2]


def call(name, *arguments):
    return libc.syscall(NUMBERS[name], *[ctypes.c_long(each) if isinstance(each, int) else each for each in arguments])


def path(name):
    return os.fsencode(name)


def done(fd):
    if fd >= 0:
        os.close(fd)
    return fd


def openat(name, flags=0, directory=-100, mode=0o600):
    return done(call("openat", directory, path(name), flags, mode))


def openat2(name, flags=0, resolve=0, directory=-100):
    return done(call("openat2", directory, path(name), struct.pack("<QQQ", flags, 0, resolve), 24))


def open_by_handle(name, flags=0):
    handle = ctypes.create_string_buffer(struct.pack("<Ii", 128, 0) + bytes(128))
    mount_id = ctypes.c_int()
    if call("name_to_handle_at", -100, path(name), handle, ctypes.byref(mount_id), 0):
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    at = os.open(os.path.dirname(name), os.O_RDONLY)
    fd = done(call("open_by_handle_at", at, handle, flags))
    if fd < 0:
        raise OSError(ctypes.get_errno(), "open_by_handle_at")
    os.close(at)


def mount(source, target, kind, flags=0, data=None):
    if call("mount", path(source), path(target), path(kind), flags, path(data) if data else None):
        raise OSError(ctypes.get_errno(), "mount", target)


def own_mounts():
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", "none", MS_REC | MS_PRIVATE)


def ready():
    """The mount namespace ends with the process: wait until the tracer has looked."""
    print("ready")
    input()


# --- scenarios ------------------------------------------------------------------------------------------------------------------

def relative():
    os.chdir(folder + "/sub")
    openat("../site.key")
    openat("./deep/../../site.crt")


def directory():
    at = os.open(folder + "/sub", os.O_RDONLY)
    os.chdir("/")
    openat("../site.key", directory=at)
    openat("inner.pem", directory=at)


def symlink():
    openat(folder + "/link.pem")
    openat(folder + "/linked/inner.pem")


def chroot():
    os.chroot(folder + "/jail")
    os.chdir("/")
    openat("/etc/jailed.key")
    openat("../../etc/jailed.key")
    openat("/etc/none.key")


def flags():
    for value in sys.argv[3:]:
        openat(folder + "/flags.pem", int(value))


def by_openat2():
    openat2(folder + "/site.key")
    openat2("site.key", os.O_NOATIME, RESOLVE_BENEATH, os.open(folder, os.O_RDONLY))
    openat2("../x.key", 0, RESOLVE_BENEATH, os.open(folder, os.O_RDONLY))


def by_handle():
    open_by_handle(folder + "/site.key")
    open_by_handle(folder + "/site.key", os.O_NOATIME)


def old_calls():
    done(call("open", path(folder + "/site.key"), os.O_NOATIME))
    done(call("creat", path(folder + "/created.pem"), 0o600))


def counts():
    for name, number in (("site.key", 25), ("site.crt", 7), ("none.pem", 3)):
        for _each in range(number):
            openat("%s/%s" % (folder, name))


def random():
    for _each in range(5):
        openat("/dev/urandom")
    openat("/dev/random", os.O_NONBLOCK)


def refused():
    openat(folder + "/none.key")
    openat(folder + "/loop.pem")
    openat(folder + "/link.pem", os.O_NOFOLLOW)
    openat(folder + "/site.key/x.key")
    openat(folder + "/site.crt", os.O_CREAT | os.O_EXCL | os.O_RDWR)
    openat(folder + "/folder.pem", os.O_WRONLY)
    os.chdir(folder + "/sub")
    openat("../absent.p12")


def nobody():
    user = pwd.getpwnam("nobody").pw_uid
    os.setgid(user)
    os.setuid(user)
    openat(folder + "/site.key")
    openat(folder + "/site.crt")
    openat(folder + "/secret/x.key")


def gone():
    openat(folder + "/gone.key")
    os.unlink(folder + "/gone.key")


def fork():
    openat(folder + "/site.key")
    if os.fork() == 0:
        openat(folder + "/site.key")
        openat(folder + "/site.key")
        os._exit(0)
    print(os.wait()[0])


def tmpfs():
    own_mounts()
    mount("none", folder + "/mount", "tmpfs")
    shutil.copy(folder + "/site.key", folder + "/mount/inner.key")
    openat(folder + "/mount/inner.key")
    ready()


def bind():
    own_mounts()
    mount(folder + "/sub", folder + "/mount", "none", MS_BIND)
    openat(folder + "/mount/inner.pem")
    ready()


def overlay():
    own_mounts()
    mount("overlay", folder + "/mount", "overlay", 0, "lowerdir={0}/sub,upperdir={0}/upper,workdir={0}/work".format(folder))
    for _each in range(9):
        openat(folder + "/mount/inner.pem")
    ready()


def pivoted():
    own_mounts()
    mount("none", folder + "/mount", "tmpfs")
    os.mkdir(folder + "/mount/etc")
    os.mkdir(folder + "/mount/old")
    shutil.copy(folder + "/site.key", folder + "/mount/etc/contained.key")
    os.chdir(folder + "/mount")
    assert call("pivot_root", path("."), path("old")) == 0
    os.chdir("/etc")
    openat("contained.key")
    openat("/etc/absent.key")
    ready()


globals()[sys.argv[1]]()
