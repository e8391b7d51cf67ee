# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in a function a uprobe goes, and which functions of a file could not be probed."""

from __future__ import annotations

import errno
import os
import threading
import time

import pytest
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions import x86_prologue
from ansible_collections.cryptofleet.audit.plugins.module_utils._functions.x86_prologue import ENTRY, Place, cheap_place
from ansible_collections.cryptofleet.audit.plugins.module_utils._kernel import uprobe
from hypothesis import given
from hypothesis import strategies as st

ENDBR64 = b"\xf3\x0f\x1e\xfa"
PUSH_RBP, PUSH_R12, CALL, RET = b"\x55", b"\x41\x54", b"\xe8\0\0\0\0", b"\xc3"
ENOTSUPP = 524


@pytest.mark.parametrize("code, place", [
    (PUSH_RBP + RET, Place(0, 0)),
    (ENDBR64 + PUSH_RBP + RET, Place(4, 0)),
    (ENDBR64 + PUSH_R12 + RET, Place(4, 0)),
    (ENDBR64 + b"\x57" + RET, Place(4, 0)),  # push rdi: the last of these
    (ENDBR64 + b"\x58" + RET, ENTRY),  # pop rax
    (ENDBR64 + b"\x48\x55" + RET, ENTRY),  # a prefix that no compiler writes
    (ENDBR64 + b"\x41", ENTRY),  # cut
    (ENDBR64, ENTRY),
    (b"", ENTRY),
    (b"\xf3\x0f\x1e\xfb" + PUSH_RBP, ENTRY),  # endbr32
    (b"\xf3\x0f\x1e\xc8" + PUSH_RBP, ENTRY),  # rdsspd
    (ENDBR64 + b"\x48\x83\xec\x18" + CALL, Place(8, 0x18)),  # sub rsp, 24
    (ENDBR64 + b"\x48\x83\xc4\x18" + CALL, ENTRY),  # add rsp, 24
    (ENDBR64 + b"\x83\xec\x18" + CALL, ENTRY),  # sub esp, 24
    (ENDBR64 + b"\x48\x89\xe5" + PUSH_RBP, Place(7, 0)),  # mov rbp, rsp
    (ENDBR64 + b"\x48\x89\xec" + PUSH_RBP, ENTRY),  # mov rsp, rbp
    (ENDBR64 + b"\x31\xc0" + PUSH_RBP, Place(6, 0)),  # xor eax, eax
    (ENDBR64 + b"\x31\xff" + PUSH_RBP, ENTRY),  # xor edi, edi: the first argument
    (ENDBR64 + b"\xbf\1\0\0\0" + PUSH_RBP, ENTRY),  # mov edi, 1
    (ENDBR64 + b"\x0f\x05" + PUSH_RBP, ENTRY),  # syscall
    (ENDBR64 + b"\xff\x25\0\0\0\0" + PUSH_RBP, ENTRY),  # jmp [rip]
    (ENDBR64 + RET + PUSH_RBP, ENTRY),
    (ENDBR64 + PUSH_RBP + b"\xeb\xfd", ENTRY),  # jmp to the push: it runs again and again
    (ENDBR64 + PUSH_RBP + b"\xeb\xf9", ENTRY),  # jmp to the entry: one call may pass the push many times
    (ENDBR64 + PUSH_RBP + b"\x90" * 3 + b"\x0f\x84\xf6\xff\xff\xff", ENTRY),  # jz to the push
])
def test_cheap_place(code, place):
    assert cheap_place(code, {0, 1}) == place


def test_whether_the_kernel_emulates_the_instruction_there():
    assert cheap_place(ENDBR64 + PUSH_RBP, set()).emulated and cheap_place(PUSH_RBP, set()).emulated
    assert not cheap_place(b"\x48\x83\xec\x18\x0f\x05", set()).emulated and not ENTRY.emulated


def test_only_wanted_arguments_count():
    code = ENDBR64 + b"\x31\xf6" + PUSH_RBP  # xor esi, esi: the second argument
    assert cheap_place(code, {1}) == ENTRY and cheap_place(code, {0, 2}) == Place(6, 0)
    code = ENDBR64 + b"\x4d\x31\xc0" + PUSH_RBP  # xor r8, r8: the fifth
    assert cheap_place(code, {4}) == ENTRY and cheap_place(code, {0, 1, 2, 3, 5}) == Place(7, 0)


@given(st.binary(max_size=80), st.sets(st.integers(0, 5)))
def test_any_bytes_give_a_place_inside(code, wanted):
    place = cheap_place(ENDBR64 + code, wanted)
    assert 0 <= place.offset < x86_prologue._LONGEST_PROLOGUE and place.stack >= 0


@pytest.fixture
def kernel(monkeypatch):
    """A kernel that can't probe some offsets; what it was asked for is recorded."""
    class Kernel:
        bad = {}
        asked = []

    def link(_program, _path, offsets, cookies):
        kernel.asked.append((list(offsets), list(cookies)))
        for offset in offsets:
            if offset in kernel.bad:
                raise OSError(kernel.bad[offset], "refused")
        return os.open(os.devnull, os.O_RDONLY)

    def one(_kind, _path, offset, _program, cookie):
        kernel.asked.append((offset, cookie))
        if offset in kernel.bad:
            raise OSError(kernel.bad[offset], os.strerror(kernel.bad[offset]))
        return os.open(os.devnull, os.O_RDONLY)

    kernel = Kernel()
    kernel.asked = []
    monkeypatch.setattr(uprobe.syscalls, "link_uprobe_multi", link)
    monkeypatch.setattr(uprobe, "_open_uprobe", one)
    return kernel


def descriptors():
    return len(os.listdir("/proc/self/fd"))


PLACES = {row: 100 + row for row in range(10)}
LIB = os.fsencode(__file__)


def test_a_link_holds_some_and_goes_on_without_what_has_to_go(kernel, monkeypatch):
    monkeypatch.setattr(uprobe, "_FUNCTIONS_OF_A_LINK", 4)
    before = descriptors()
    attachment = uprobe.MultiAttachment(3, LIB, PLACES, 0x300)
    groups = [range(0, 4), range(4, 8), range(8, 10)]
    assert kernel.asked == [([100 + row for row in rows], [0x300 + row for row in rows]) for rows in groups] and not attachment.failed
    kernel.asked.clear()
    given_up = attachment.give_up({7, 8, 99})
    assert len(given_up) == 2 and attachment.give_up({7, 8}) == [] and not kernel.asked
    uprobe.close_all(given_up)
    attachment.resume()
    assert kernel.asked == [([104, 105, 106, 109], [0x304, 0x305, 0x306, 0x309])]
    attachment.resume()
    assert len(kernel.asked) == 1
    attachment.close()
    attachment.close()
    assert descriptors() == before


def test_closing_many(kernel):
    before = descriptors()
    uprobe.close_all([os.open(os.devnull, os.O_RDONLY) for _each in range(2 * uprobe._MOST_THREADS + 1)])
    assert descriptors() == before


def test_the_wait_for_the_kernel_is_for_whoever_wants_it(monkeypatch):
    sure, closed = threading.Event(), []
    monkeypatch.setattr(uprobe.os, "close", lambda fd: sure.wait() and closed.append(fd))
    closing = uprobe.Closing([701, 702])
    assert not closed
    before = time.monotonic()
    sure.set()
    ended = closing.wait()
    assert sorted(closed) == [701, 702] and before <= ended <= time.monotonic() and closing.wait() == ended


@pytest.mark.parametrize("bad", [{3}, {0, 9}, {1, 2, 3, 4, 5, 6, 7, 8, 9}])
def test_a_function_that_cannot_be_probed_costs_only_itself(kernel, bad):
    before = descriptors()
    kernel.bad = {100 + row: ENOTSUPP for row in bad}
    attachment = uprobe.MultiAttachment(3, LIB, PLACES, 0)
    assert set(attachment.failed) == bad and all("524" in reason for reason in attachment.failed.values())
    attachment.close()
    assert descriptors() == before


def test_no_function_can_be_probed(kernel):
    kernel.bad = {place: ENOTSUPP for place in PLACES.values()}
    with pytest.raises(OSError) as caught:
        uprobe.MultiAttachment(3, LIB, PLACES, 0)
    assert caught.value.errno == ENOTSUPP


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EPERM, errno.ENOMEM])
def test_another_refusal_leaves_nothing_attached(kernel, number):
    before = descriptors()
    kernel.bad = {104: number}
    with pytest.raises(OSError) as caught:
        uprobe.MultiAttachment(3, LIB, PLACES, 0)
    assert caught.value.errno == number and descriptors() == before


@pytest.fixture
def uprobe_pmu(tmp_path, monkeypatch):
    (tmp_path / "type").write_text("9\n")
    monkeypatch.setattr(uprobe, "_PMU_TYPE", str(tmp_path / "type"))


def test_one_event_for_each_function(kernel, uprobe_pmu):
    before = descriptors()
    kernel.bad = {103: errno.EINVAL}
    attachment = uprobe.PerfAttachment(dict.fromkeys(PLACES, 3), b"/lib", PLACES)
    assert list(attachment.failed) == [3] and "errno 22" in attachment.failed[3]
    uprobe.close_all(attachment.give_up({3, 5}))
    assert attachment.give_up({5}) == []
    two = attachment.give_up({6, 7})
    assert len(two) == 2
    uprobe.close_all(two)
    attachment.close()
    assert descriptors() == before


def test_no_event_at_all(kernel, uprobe_pmu):
    kernel.bad = dict.fromkeys(PLACES.values(), errno.EACCES)
    with pytest.raises(OSError) as caught:
        uprobe.PerfAttachment(dict.fromkeys(PLACES, 3), b"/lib", PLACES)
    assert caught.value.errno == errno.EACCES


def test_one_event_for_each_function_with_a_cookie(kernel, uprobe_pmu):
    attachment = uprobe.PerfAttachment(dict.fromkeys(PLACES, 3), b"/lib", PLACES, 0x300)
    assert kernel.asked == [(offset, 0x300 + row) for row, offset in PLACES.items()]
    attachment.close()


def test_a_kernel_without_cookies_is_asked_once(kernel, uprobe_pmu):
    before = descriptors()
    kernel.bad = dict.fromkeys(PLACES.values(), errno.EINVAL)
    with pytest.raises(OSError) as caught:
        uprobe.PerfAttachment(dict.fromkeys(PLACES, 3), b"/lib", PLACES, 0x300)
    assert caught.value.errno == errno.EINVAL and len(kernel.asked) == 1
    kernel.bad = {103: errno.EINVAL}
    attachment = uprobe.PerfAttachment(dict.fromkeys(PLACES, 3), b"/lib", PLACES, 0x300)
    assert list(attachment.failed) == [3]
    attachment.close()
    assert descriptors() == before
