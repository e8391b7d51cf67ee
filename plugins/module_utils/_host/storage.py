# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part ``storage`` of host_crypto: device-mapper mappings that cryptsetup made, and LUKS headers of block devices.

The table of a mapping is not read, because to a privileged reader it contains the volume key. The algorithms are read from the LUKS header of
the underlying device; for a mapping without one (plain dm-crypt) they are noted in ``unreadable``.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import re

from .luks import LuksError, read_luks
from .reader import open_block_device

_BLOCK = "/sys/block"
_UDEV = "/run/udev/data/b"
_MAX_DEVICES = 4096
_MAX_MAPPINGS = 100
_MAX_HEADERS = 100

# cryptsetup, lib/utils_dm.h and lib/libdevmapper.c: a mapping's UUID is CRYPT-TYPE-...
_UUID = re.compile(r"CRYPT-([A-Z0-9]{1,16})-")
_DEVICE = re.compile(r"[A-Za-z0-9!._:-]{1,64}\Z")
# Reading an optical or floppy disk may start a motor or wait for a medium; RAM, flash and network disks of these names have no LUKS header of the host.
_SKIPPED = re.compile(r"(sr|fd|ram|zram|mtdblock|nbd)[0-9]+")


def read_storage(reader):
    """Read the part ``storage``.

    :arg reader: `Reader`.
    :returns: dict: mappings (list of {device, type, underlying, name}), luks (the facts of `read_luks` with device), unreadable.
    """
    names = reader.list_directory(_BLOCK, _MAX_DEVICES)
    if not names and reader.exists(_BLOCK) is False:
        reader.add_unreadable(_BLOCK, "missing: block devices can't be listed")
    mappings, headers = [], {}
    for device in [name for name in names if _DEVICE.match(name)]:
        if device.startswith("dm-"):
            _add_mapping(reader, device, mappings)
        if _SKIPPED.match(device):
            continue
        for part in _with_partitions(reader, device):
            if len(headers) == _MAX_HEADERS:
                reader.add_unreadable(_BLOCK, "more than %d LUKS headers; the rest are omitted" % _MAX_HEADERS)
                break
            header = _header(reader, part)
            if header:
                headers[part.rpartition("/")[2]] = header
    if len(mappings) > _MAX_MAPPINGS:
        reader.add_unreadable(_BLOCK, "%d mappings; only the first %d are listed" % (len(mappings), _MAX_MAPPINGS))
    for mapping in mappings:
        if mapping["type"] == "PLAIN":
            reader.add_unreadable("/dev/%s" % mapping["device"], "unknown algorithm: it is only in the mapping's table, which contains the key and is not read")
    return {"mappings": mappings[:_MAX_MAPPINGS], "luks": [headers[name] for name in sorted(headers)], "unreadable": reader.unreadable()}


def _with_partitions(reader, device):
    """Yield the sysfs directories (str) of a disk and of its partitions."""
    directory = "%s/%s" % (_BLOCK, device)
    yield directory
    for name in reader.list_directory(directory):
        if name.startswith(device) and _DEVICE.match(name) and reader.identity("%s/%s/partition" % (directory, name)):
            yield "%s/%s" % (directory, name)


def _add_mapping(reader, device, mappings):
    """Append the entry of a device-mapper device (str) to a list, if cryptsetup made it."""
    directory = "%s/%s" % (_BLOCK, device)
    found = _UUID.match((reader.read_line(directory + "/dm/uuid") or b"").decode("latin-1"))
    if not found:
        return
    below = [name.replace("!", "/") for name in reader.list_directory(directory + "/slaves", 64) if _DEVICE.match(name)]
    entry = {"device": device, "type": found.group(1), "underlying": below}
    reader.put_text(entry, "name", reader.read_line(directory + "/dm/name"))
    mappings.append(entry)


def _header(reader, directory):
    """Read the LUKS header of a block device.

    :arg reader: `Reader`.
    :arg directory: str, sysfs directory of the device.
    :returns: dict, the facts of `read_luks` with device; None where it has no header or can't be read, which is noted in ``unreadable``.
    """
    name = directory.rpartition("/")[2].replace("!", "/")
    number = _numbers(reader.read_line(directory + "/dev"))
    if number is None or (reader.read_line(directory + "/size") or b"0") == b"0":
        return None
    properties = reader.read("%s%d:%d" % ((_UDEV,) + number), 65536)
    # udev knows what is on the device: a disk with something else is not woken
    if properties is not None and b"\nE:ID_FS_TYPE=" in properties and b"\nE:ID_FS_TYPE=crypto_LUKS\n" not in properties:
        return None
    path = "/dev/" + name
    if reader.read_line(directory + "/dm/suspended") == b"1":  # drivers/md/dm-sysfs.c
        reader.add_unreadable(path, "not read: the device-mapper device is suspended, and a read would block")
        return None
    try:
        fd = open_block_device(reader.root + path, number)
    except OSError as error:
        reader.add_unreadable(path, error)
        return None
    try:
        facts = read_luks(lambda offset, length: os.pread(fd, length, offset))
    except LuksError as error:
        reader.add_unreadable(path, "LUKS: %s" % error)
        return None
    except OSError as error:
        reader.add_unreadable(path, error)
        return None
    finally:
        os.close(fd)
    return dict(facts, device=name) if facts else None


def _numbers(text):
    """The device number in a sysfs file ``dev``, bytes or None: ``(major, minor)``, or None."""
    match = re.match(rb"([0-9]{1,7}):([0-9]{1,7})\Z", text or b"")
    return (int(match.group(1)), int(match.group(2))) if match else None
