# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of events against bpf/shared/events.h as a C compiler sees it and as the committed objects have it, and their decoding."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import struct
import subprocess

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._engines import libbpf as engine
from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions import families, function
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import events, libbpf

BPF = pathlib.Path(__file__).resolve().parents[3] / "bpf"
HEADER = (BPF / "shared" / "events.h").read_text()
IMAGE = (77, 3, 123456789)
SUBJECT = events.Subject(events.Image(*IMAGE), 5, 1000, 42, 4026531841, b"openssl")

# struct of events.h -> how _kernel.events packs its own members, those of its members' structs included, in order
FORMATS = {
    "event_header": events._HEADER.format,
    "image": "<IIQ",
    "subject": events._SUBJECT.format,
    "exec_event": events._HEADER.format + events._SUBJECT.format[1:] + events._EXEC.format[1:],
    "fork_event": events._HEADER.format + events._SUBJECT.format[1:] + events._FORK.format[1:],
    "exit_event": events._HEADER.format + events._SUBJECT.format[1:] + events._EXIT.format[1:],
    "open_key": events.OPEN_KEY.format,
    "counter": events.COUNTER.format,
    "open_event": events._HEADER.format + events._SUBJECT.format[1:] + events.OPEN_KEY.format[1:] + events._OPEN.format[1:],
    "inode_key": events.INODE_KEY.format,
    "operation_key": events.OPERATION_KEY.format,
    "operation": events.OPERATION_VALUE.format,
    "operation_event": events._HEADER.format + events._SUBJECT.format[1:] + events.OPERATION_KEY.format[1:] + events._KEY_BITS.format[1:],
    "wire_event": events._HEADER.format + events._SUBJECT.format[1:] + events._WIRE.format[1:],
    "function": events.FUNCTION.format,
    "settings": events.SETTINGS.format,
}


def tool(name, package):
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert path, "%s is needed: install the package %s" % (name, package)
    return path


def declared():
    """struct -> its members as ``(type, name)``, in order, each number of an array by itself."""
    structs = {}
    text = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.DOTALL)
    for name, body in re.findall(r"^struct (\w+) \{(.*?)^\};", text, flags=re.DOTALL | re.MULTILINE):
        members = re.findall(r"(struct \w+|\w+) (\w+)(?:\[(\w+)\])?;", body)
        assert len(members) == body.count(";")
        structs[name] = []
        for kind, member, count in members:
            apart = count and kind != "char" and member not in ("pad", "functions")
            structs[name] += [(kind, "%s[%d]" % (member, number)) for number in range(int(count))] if apart else [(kind, member)]
    return structs


def flat(structs, name):
    """Paths of every number and array in a struct, structs of structs taken apart."""
    found = []
    for kind, member in structs[name]:
        if kind.startswith("struct ") and member != "functions":  # rows of settings come by themselves
            found += ["%s.%s" % (member, inner) for inner in flat(structs, kind.split()[1])]
        elif member != "functions":
            found.append(member)
    return found


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """struct -> (size, [(offset, size) of each member]) as the compiler has it."""
    structs = declared()
    assert sorted(structs) == sorted(FORMATS), "a struct of events.h has no counterpart here"
    lines = []
    for name in structs:
        lines.append('printf("%s %%zu", sizeof(struct %s));' % (name, name))
        for member in flat(structs, name):
            lines.append('printf(" %%zu:%%zu", __builtin_offsetof(struct %s, %s), sizeof(((struct %s *)0)->%s));' % (name, member, name, member))
        lines.append('printf("\\n");')
    folder = tmp_path_factory.mktemp("layout")
    (folder / "layout.c").write_text('#include <stdio.h>\n#include <linux/types.h>\n#include "events.h"\nint main(void) {\n%s\nreturn 0;\n}\n' % "\n".join(lines))
    subprocess.run([tool("gcc", "gcc"), "-I", str(BPF / "shared"), "-o", str(folder / "layout"), str(folder / "layout.c")], check=True)
    output = subprocess.run([str(folder / "layout")], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in output.splitlines():
        name, size, *members = line.split()
        found[name] = (int(size), [tuple(map(int, member.split(":"))) for member in members])
    return found


def spans(form):
    """``(offset, size)`` of each value of a struct format."""
    found, offset = [], 0
    for count, letter in re.findall(r"(\d*)([a-zA-Z])", form):
        for _number in range(1 if letter in "sx" else int(count or 1)):
            size = struct.calcsize("<" + (count if letter in "sx" else "") + letter)
            found.append((offset, size))
            offset += size
    return found


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_member_is_where_the_compiler_puts_it(layout, name):
    size, members = layout[name]
    assert spans(FORMATS[name]) == members
    assert struct.calcsize(FORMATS[name]) == size, "a member was added, or the compiler pads"
    if name != "image":
        assert events.SIZES[name] == size


def test_every_size_that_is_given_is_compared():
    assert set(events.SIZES) == set(FORMATS) - {"image"}


def test_signs():
    """What is signed in C is signed here: errors and the code range are."""
    structs = declared()
    letters = {"__u8": "B", "__u16": "H", "__u32": "I", "__u64": "Q", "__s32": "i", "__s64": "q", "char": "s"}
    for name, form in FORMATS.items():
        kinds = []
        todo = list(structs[name])
        while todo:
            kind, member = todo.pop(0)
            if member == "functions":
                continue
            if kind.startswith("struct "):
                todo = structs[kind.split()[1]] + todo
            else:
                kinds.append({letters[kind], "x"} if member == "pad" else {letters[kind]})
        found = re.findall("[a-zA-Z]", re.sub("[0-9]", "", re.sub(r"(\d+)([^sx])", lambda match: int(match.group(1)) * match.group(2), form)))
        assert len(found) == len(kinds) and all(letter in allowed for letter, allowed in zip(found, kinds)), name


def number(name, text=HEADER):
    return int(re.search(r"\b%s\b(?: =)? (\d+)" % name, text).group(1))


def test_numbers():
    names = ("EXEC", "FORK", "EXIT", "FILE_OPEN", "OPERATION", "WIRE")
    assert [getattr(events, name) for name in names] == [number("EVENT_" + name) for name in names]
    for name in ("EVENT_ABI", "PATH_COMPLETE", "ARGUMENTS_TRUNCATED", "OPEN_NOT_COUNTED", "INODE_OTHER", "INODE_CRYPTO",
                 "LOOK_TLS", "LOOK_SSH", "WIRE_KNOWN", "WIRE_GAP", "WIRE_START"):
        assert getattr(events, name) == number(name)
    counters = re.search(r"enum counter_id \{(.*?)\}", HEADER, re.DOTALL).group(1)
    names = re.findall(r"^\s*COUNT_(\w+)", counters, re.MULTILINE)
    assert tuple(name.lower() for name in names) == events.COUNTERS
    algorithm = (BPF / "algorithm.bpf.h").read_text()
    shapes = re.findall(r"^\s*SHAPE_(\w+)", re.search(r"enum shape \{(.*?)\n\}", algorithm, re.DOTALL).group(1), re.MULTILINE)
    assert [getattr(function, name) for name in shapes] == list(range(len(shapes)))
    source = (BPF / "openssl_api.bpf.c").read_text()
    assert events.FUNCTION_ROWS == number("define FUNCTION_ROWS", source)
    assert max(len(family.functions) for family in families.FAMILIES) <= events.MEASURED_ROW
    assert events.ALL_FUNCTIONS == number("define FUNCTIONS", source)
    assert len(families.FUNCTIONS) <= events.MEASURED_FUNCTION
    assert engine._MOST_OPENSSL_FILES + engine._MOST_OTHER_FILES == number("define LIBRARIES", source)


def test_the_committed_objects_have_this_layout(tmp_path):
    """Someone may change bpf/ and forget to build: the type information of what is shipped decides."""
    seen = {}
    for name in ("process", "file_open", "openssl_api", "openssl_api_rows"):
        (tmp_path / name).write_bytes(libbpf.object_bytes(name))
        output = subprocess.run([tool("bpftool", "bpftool"), "-j", "btf", "dump", "file", str(tmp_path / name)], check=True, capture_output=True).stdout
        for kind in json.loads(output)["types"]:
            if kind["kind"] == "STRUCT" and kind["name"] in FORMATS:
                seen.setdefault(kind["name"], set()).add(kind["size"])
    for name, sizes in seen.items():
        assert sizes == {struct.calcsize(FORMATS[name])}, name
    # a record that is only built on the stack and sent has no type information of its own: it is made of these
    assert {"subject", "image", "exec_event", "open_event", "open_key", "operation_key", "counter", "inode_key", "settings"} <= set(seen)


# records, packed by hand

def record(kind, body, time=999, abi=events.EVENT_ABI, size=None):
    subject = struct.pack("<IIQIIQII16s", *IMAGE, 5, 1000, 42, 4026531841, 0, b"openssl")
    total = 16 + len(subject) + len(body)
    return struct.pack("<HHIQ", abi, kind, total if size is None else size, time) + subject + body


def exec_body(path, arguments, flags=1):
    return struct.pack("<QIHHII", 8, 9, len(path), len(arguments), flags, 0) + path + arguments


def open_body(path, name=b"", error=0, flags=1, mode=0o100600):
    return struct.pack("<IIQQIIiI", *IMAGE, 8, 9, 0o100000, error, 7) + struct.pack("<QIHHHHI", 1704, 0, mode, len(path), len(name), flags, 0) + path + name


def test_exec():
    event = events.decode(record(1, exec_body(b"openssl\0bin\0usr\0", b"openssl\0dgst\0-sha256\0")))
    assert event == events.ProcessExec(999, SUBJECT, b"/usr/bin/openssl", 9, 8, [b"openssl", b"dgst", b"-sha256"], False)


@pytest.mark.parametrize("raw, arguments", [
    (b"", []), (b"sh\0", [b"sh"]), (b"\0", [b""]), (b"sh\0-c\0\0", [b"sh", b"-c", b""]), (b"a\0\0\0b\0", [b"a", b"", b"", b"b"]),
    (b"cut", [b"cut"]), (b"bad\xff\0\n\0", [b"bad\xff", b"\n"]),
])
def test_arguments(raw, arguments):
    """Empty arguments count, the last one too."""
    assert events.decode(record(1, exec_body(b"sh\0", raw))).arguments == arguments


def test_exec_that_was_cut():
    event = events.decode(record(1, exec_body(b"sh\0deep\0", b"sh\0x", flags=2)))
    assert (event.path, event.arguments_truncated) == (b".../deep/sh", True)


def test_fork_and_exit():
    assert events.decode(record(2, struct.pack("<IIQ", 1, 2, 3))) == events.ProcessFork(999, SUBJECT, events.Image(1, 2, 3))
    assert events.decode(record(3, struct.pack("<iI", 3 << 8, 0))) == events.ProcessExit(999, SUBJECT, 768)


def test_open():
    event = events.decode(record(4, open_body(b"site.key\0private\0ssl\0etc\0")))
    assert event.path == b"/etc/ssl/private/site.key"
    assert (event.key.inode, event.key.device, event.key.flags, event.key.error) == (8, 9, 0o100000, 0)
    assert (event.size, event.mode, event.counted) == (1704, 0o100600, True)
    assert not events.decode(record(4, open_body(b"a\0", flags=1 | 4))).counted
    assert events.decode(record(4, open_body(b"a\0b\0", flags=0))).path == b".../b/a"


@pytest.mark.parametrize("base, name, complete, path", [
    (b"ssl\0etc\0", b"x.pem\0", 1, b"/etc/ssl/x.pem"),
    (b"ssl\0etc\0", b"./a//./x.pem\0", 1, b"/etc/ssl/a/x.pem"),
    (b"ssl\0etc\0", b"../x.pem\0", 1, b"/etc/ssl/../x.pem"),
    (b"", b"/x.pem\0", 1, b"/x.pem"),
    (b"ssl\0", b"x.pem\0", 0, b".../ssl/x.pem"),
    (b"chroot\0srv\0", b"/etc/x.pem\0", 1, b"/srv/chroot/etc/x.pem"),
    (b"new\nline\0", b"\xff.pem\0", 1, b"/new\nline/\xff.pem"),
])
def test_failed_open(base, name, complete, path):
    event = events.decode(record(4, open_body(base, name, error=-2, flags=complete)))
    assert (event.path, event.key.error) == (path, -2)


def test_operation():
    key = struct.pack("<IIQHHBBHII24s", *IMAGE, 2, 17, 1, 0, 256, 0, 0, b"AES-256-GCM")
    event = events.decode(record(5, key + struct.pack("<II", 128, 0)))
    assert event.key == events.OperationKey(*IMAGE, 2, 17, 1, 0, 256, 0, 0, b"AES-256-GCM")
    assert events.decode_operation_key(key) == event.key
    assert event.key_bits == 256, "the size in an argument has precedence over that of the object"
    key = struct.pack("<IIQHHBBHII24s", *IMAGE, 2, 17, 1, 0, 0, 0, 0, b"")
    assert events.decode(record(5, key + struct.pack("<II", 128, 0))).key_bits == 128


def wire_body(family=4, direction=1, data=b"hello", behind=b"\0" * 59):
    ends = struct.pack("16s16s", b"\x7f\0\0\1", b"\x7f\0\0\2")
    return struct.pack("<QQIIIHBBBBHHH", 8, 9, 10, 11, 700, len(data), family, 6, direction, 4, 443, 40000, 0) + ends + data + behind


def test_wire():
    """Each value is under its own name."""
    expected = events.WireData(time=999, subject=SUBJECT, cookie=8, cgroup=9, network_namespace=10, sequence=11, payload_size=700, family=4, protocol=6,
                               outgoing=True, flags=events.WIRE_START, local=b"\x7f\0\0\1", local_port=443, remote=b"\x7f\0\0\2", remote_port=40000,
                               data=b"hello")
    found = events.decode(record(6, wire_body()))
    assert found == expected and type(found) is events.WireData
    found = events.decode(record(6, wire_body(6, 0)))
    assert not found.outgoing and len(found.local) == len(found.remote) == 16


@pytest.mark.parametrize("broken", [
    record(3, b"\0" * 8, abi=2), record(9, b"\0" * 8), record(3, b"\0" * 8, size=12), record(3, b"\0" * 8) + b"x",
])
def test_another_version_is_refused(broken):
    with pytest.raises(AuditError, match="different versions"):
        events.decode(broken)
