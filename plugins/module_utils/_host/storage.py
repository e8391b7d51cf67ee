# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypted storage: device-mapper mappings of cryptsetup's kinds, and LUKS headers of block devices. Part of host_crypto.

A mapping's own table is not asked for, because it carries the volume key to who may read it. Its algorithms come from the LUKS header below
it; a mapping without one (plain dm-crypt) says that they could not be read.

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
# Reading a compact or a floppy disk may start a motor or wait for a medium; memory and network disks of these names hold no LUKS of the host
_SKIPPED = re.compile(r"(sr|fd|ram|zram|mtdblock|nbd)[0-9]+")


def read_storage(reader):
    """The part ``storage``: mappings, luks (headers), unreadable. :arg reader: `Reader`."""
    names = reader.names(_BLOCK, _MAX_DEVICES)
    if not names and reader.exists(_BLOCK) is False:
        reader.problem(_BLOCK, "not there: block devices can't be listed")
    mappings, headers = [], {}
    for device in [name for name in names if _DEVICE.match(name)]:
        if device.startswith("dm-"):
            _add_mapping(reader, device, mappings)
        if _SKIPPED.match(device):
            continue
        for part in _with_partitions(reader, device):
            if len(headers) == _MAX_HEADERS:
                reader.problem(_BLOCK, "more than %d LUKS headers: the others are not listed" % _MAX_HEADERS)
                break
            header = _header(reader, part)
            if header:
                headers[part.rpartition("/")[2]] = header
    if len(mappings) > _MAX_MAPPINGS:
        reader.problem(_BLOCK, "%d mappings: those after the first %d are not listed" % (len(mappings), _MAX_MAPPINGS))
    for mapping in mappings:
        if mapping["type"] == "PLAIN":
            reader.problem("/dev/%s" % mapping["device"], "its algorithm is in the mapping's table alone, which carries the key and is not read")
    return {"mappings": mappings[:_MAX_MAPPINGS], "luks": [headers[name] for name in sorted(headers)], "unreadable": reader.unreadable()}


def _with_partitions(reader, device):
    """The sysfs folders of a disk and of its partitions."""
    folder = "%s/%s" % (_BLOCK, device)
    yield folder
    for name in reader.names(folder):
        if name.startswith(device) and _DEVICE.match(name) and reader.identity("%s/%s/partition" % (folder, name)):
            yield "%s/%s" % (folder, name)


def _add_mapping(reader, device, mappings):
    folder = "%s/%s" % (_BLOCK, device)
    found = _UUID.match((reader.word(folder + "/dm/uuid") or b"").decode("latin-1"))
    if not found:
        return
    below = [name.replace("!", "/") for name in reader.names(folder + "/slaves", 64) if _DEVICE.match(name)]
    entry = {"device": device, "type": found.group(1), "underlying": below}
    reader.put(entry, "name", reader.word(folder + "/dm/name"))
    mappings.append(entry)


def _header(reader, folder):
    """The entry of a device that carries a LUKS header; None where it carries none or can't be read, which is noted."""
    name = folder.rpartition("/")[2].replace("!", "/")
    number = _numbers(reader.word(folder + "/dev"))
    if number is None or (reader.word(folder + "/size") or b"0") == b"0":
        return None
    known = reader.read("%s%d:%d" % ((_UDEV,) + number), 65536)
    # udev has looked at the device already: no need to wake a disk that carries something else
    if known is not None and b"\nE:ID_FS_TYPE=" in known and b"\nE:ID_FS_TYPE=crypto_LUKS\n" not in known:
        return None
    path = "/dev/" + name
    try:
        fd = open_block_device(reader.root + path, number)
    except OSError as error:
        reader.problem(path, error)
        return None
    try:
        facts = read_luks(lambda offset, length: os.pread(fd, length, offset))
    except LuksError as error:
        reader.problem(path, "LUKS: %s" % error)
        return None
    except OSError as error:
        reader.problem(path, error)
        return None
    finally:
        os.close(fd)
    return dict(facts, device=name) if facts else None


def _numbers(word):
    match = re.match(rb"([0-9]{1,7}):([0-9]{1,7})\Z", word or b"")
    return (int(match.group(1)), int(match.group(2))) if match else None
