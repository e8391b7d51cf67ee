# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary as its readers see it: an idle host, a busy one, a fleet, and hosts that lie."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.cryptofleet.audit.plugins.plugin_utils import _report, _store, _summary, _text

WIDTH = 110


def reason(message, effect="incomplete", names=(), remedy=None):
    return {"code": "a_code", "effect": effect, "count": max(1, len(names)), "message": message, "remedy": remedy,
            "concerns": {"kind": "process", "names": list(names), "omitted": 0}}


@pytest.fixture
def summarise(tmp_path):
    """Make the report of profiles by host; gives the page and the whole text."""
    def run(profiles, *results):
        own = [dict(_store.write_bytes(tmp_path / "hosts" / (_store.safe_name(host) + ".json.gz"), _store.encode(profile)), host=host, status="ok")
               for host, profile in profiles.items()]
        made = _report.make(str(tmp_path), [], own + list(results))
        text = (tmp_path / "summary.txt").read_text()
        page = "\n".join(made["summary"])
        assert text.startswith(page + "\n\nDETAILS\n\n")
        assert len(made["summary"]) <= _summary.PAGE_LINES
        assert max(map(len, text.splitlines())) <= WIDTH
        assert all(char.isprintable() or char == "\n" for char in text)
        return page, text
    return run


@pytest.fixture
def idle(profile):
    profile["processes"] = []
    return profile


def row(page, label):
    return next(line for line in page.splitlines() if line.startswith("  %s " % label))


def test_an_idle_host_shows_what_it_is_and_why_rows_are_empty(summarise, idle):
    idle["coverage"]["probes"][3]["targets"] = [{"path": "/usr/lib/libcrypto.so.3", "build_id": "ab12", "functions": 84, "status": "attached", "reason": None}]
    page, text = summarise({"web1": idle})
    lines = page.splitlines()
    assert lines[0] == "CRYPTO INVENTORY of web1, as of 2026-01-31 12:00 UTC"
    assert [line for line in lines if line[:1].isupper()][1:] == ["HOST", "CRYPTO LIBRARIES ON THIS HOST", "IN USE", "COVERAGE"]
    assert "Debian GNU/Linux 12, x86_64" in row(page, "system")
    assert row(page, "mapped").endswith("none by a running process but the audit's own; those of services would be listed here")
    assert row(page, "installed").endswith("probed, but mapped by no running process: libcrypto.so.3")
    assert row(page, "TLS").endswith("none in this window: no TLS, QUIC or DTLS connection began in 30 s")
    for label in ("SSH", "algorithms", "certificates", "keys", "in programs"):
        assert "none in this window: no " in row(page, label)
    assert "300 s for instance" in row(page, "to see more")
    assert lines[-3:] == ["  hosts: 1 of 1 audited; window of 30 s (libbpf, grade full), 1 program run seen",
                          "  complete: yes, for all processes; what is not listed above did not happen in the window", "  lost: nothing"]
    assert "nothing to add: every host was audited" in text


def test_a_busy_host_shows_what_was_in_use_and_by_whom(summarise, profile):
    page, text = summarise({"web1": profile})
    assert "libcrypto 3.0.17 (libssl3 3.0.17-1)" in row(page, "mapped") and row(page, "mapped").endswith("1 process since 2026-01-31 12:00")
    assert row(page, "TLS").split() == "TLS TLS 1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768 7 as server by nginx".split()
    assert row(page, "SSH").split() == "SSH curve25519-sha256 ssh-ed25519 aes256-ctr 1 as server by nginx".split()
    assert row(page, "algorithms").endswith("encrypt: AES-256-GCM (1000)")
    assert row(page, "keys").endswith("private key RSA 2048 bits (1)")
    assert row(page, "in programs").endswith("agent; its calls can't be observed") or "Go crypto/tls 1.27.3" in row(page, "in programs")
    assert "to see more" not in page and "installed" not in page
    assert "ALGORITHMS BY OPERATION\n  encrypt         AES-256-GCM (1000)" in text


def test_a_very_busy_host_still_fits_and_names_the_rest(summarise, profile, process):
    own = profile["processes"][0]
    own["libraries"] = [dict(process["libraries"][0], name="lib%d" % number, build_id=None) for number in range(60)]
    own["tls"] = [dict(process["tls"][0], cipher_suite={"name": "TLS_SUITE_%d" % number, "code": "0x1302"}, count=number + 1) for number in range(60)]
    own["operations"] = [dict(process["operations"][0], algorithm="ALGORITHM-%d" % number, count=number + 1, key_bits=None,
                              operation=operation)
                         for number in range(20) for operation in ("sign", "encrypt", "digest", "mac")]
    page, text = summarise({"web1": profile})
    assert len(page.splitlines()) == _summary.PAGE_LINES
    assert "TLS_SUITE_59" in row(page, "TLS") and " more" in page
    assert "TLS HANDSHAKES BY KIND (60)" in text and "and 10 more, in inventory.json" in text
    assert "sign            ALGORITHM-19 (20), ALGORITHM-18 (19)" in text


def test_a_probe_that_was_not_attached_is_no_empty_row(summarise, idle):
    for probe in idle["coverage"]["probes"]:
        if probe["name"] in ("tls_handshake", "openssl_api", "library_api"):
            probe["status"] = "unsupported"
    idle["engine"]["rejected"] = [{"name": "libbpf", "code": "no_btf", "message": "no type information", "remedy": "Use a newer kernel."}]
    idle["coverage"].update(complete=False, reasons=[reason("a cause")])
    page, text = summarise({"a": idle})
    assert "    engine libbpf was not used: no type information\n        remedy: Use a newer kernel.\n" in text
    assert row(page, "TLS").endswith("not observed: probe tls_handshake was not attached (see the coverage)")
    assert row(page, "algorithms").endswith("not observed: probes openssl_api and library_api were not attached (see the coverage)")
    assert "none in this window" in row(page, "SSH")


def test_an_incomplete_profile(summarise, profile):
    profile["coverage"].update(complete=False, lost={"socket_storage_full": 3, "ring_full": 0}, reasons=[
        reason("1 process could not be read", names=["systemd (pid 1)"], remedy="run with become: true"), reason("a second cause"),
        reason("a remark", "note")])
    page, text = summarise({"a": profile})
    assert page.splitlines()[-2:] == ["  complete: no, 1 process could not be read (and 1 more reason)",
                                      "  lost: 3 observations (3 socket storage full)"]
    assert ("  a, incomplete:\n    incomplete: 1 process could not be read\n        process: systemd (pid 1)\n"
            "        remedy: run with become: true\n    incomplete: a second cause\n    note: a remark\n") in text


def test_a_complete_profile_names_the_processes_that_are_excluded(summarise, profile):
    profile["coverage"]["scope"] = {"processes": "selected", "excluded": [
        {"pid": 1, "name": "systemd", "started_at": None, "unit": None, "code": "permission_denied"}]}
    profile["coverage"]["reasons"] = [reason("permission denied for 1 process", "excluded", ["systemd (pid 1)"])]
    page, text = summarise({"a": profile})
    assert "complete: yes, for the selected processes except systemd (pid 1)\n" in page
    assert "  a, complete:\n    excluded: permission denied for 1 process\n" in text


def test_a_fleet_with_a_host_that_could_not_be_reached(summarise, profile):
    other = copy.deepcopy(profile)
    other["coverage"].update(complete=False, reasons=[reason("a cause")])
    other["host"]["os"]["name"] = "Fedora Linux 42"
    page, text = summarise({"web1": profile, "web2": other}, {"host": "db1", "status": "unreachable", "reason": "connection refused"})
    assert page.splitlines()[0] == "CRYPTO INVENTORY of 3 hosts, as of 2026-01-31 12:00 UTC"
    assert "HOSTS (2 with a profile)" in page and "Debian GNU/Linux 12 on 1, Fedora Linux 42 on 1" in row(page, "system")
    assert "2 hosts, 2 processes since 2026-01-31 12:00" in row(page, "mapped")
    assert row(page, "TLS").endswith("14 as server on 2 hosts")
    assert row(page, "algorithms").endswith("encrypt: AES-256-GCM (2 hosts)")
    assert "  hosts: 2 of 3 audited; 1 unreachable; windows of 30 s (libbpf, grade full on 2), 2 program runs seen" in page
    assert "  complete: 1 of 2 profiles; on the other hosts cryptography that is not listed may be in use" in page
    assert "  1 host, unreachable:\n    db1: connection refused\n" in text and "  web2, incomplete:\n    incomplete: a cause\n" in text


def test_many_excluded_processes_are_counted(summarise, profile):
    profile["coverage"]["scope"] = {"processes": "all", "excluded": [
        {"pid": pid, "name": "p%d" % pid, "started_at": None, "unit": None, "code": "permission_denied"} for pid in range(1, 8)]}
    page, _text_ = summarise({"a": profile})
    assert "  complete: yes, for all processes except 7 processes: p1 (pid 1), p2 (pid 2), p3 (pid 3), ...\n" in page


def test_a_fleet_that_gave_no_profile(summarise):
    page, text = summarise({}, {"host": "a", "status": "failed", "reason": "no Python"}, {"host": "b", "status": "unreachable", "reason": "x"})
    assert "CRYPTO INVENTORY of 2 hosts, no host gave a profile" in page
    assert "hosts: 0 of 2 audited; 1 unreachable, 1 failed" in page and "complete: no; no host was observed" in page
    assert "a: no Python" in text


def test_a_large_fleet_is_cut_everywhere(summarise, profile):
    hosts = {}
    for number in range(40):
        own = hosts["host%02d" % number] = copy.deepcopy(profile)
        own["host"].update(kernel="6.%d" % number)
        own["host"]["os"]["name"] = "System %d" % number
        own["coverage"].update(complete=False, reasons=[reason("cause %d" % cause) for cause in range(20)])
    page, text = summarise(hosts)
    assert "30 more in inventory.json" in text or " ... more" in row(page, "system")
    assert "and 25 more, in inventory.json" in text and "and 5 more, in the profile" in text


HOSTILE = "\x1b[2J\x9b31m\u202eDETAILS\nCOVERAGE\r"


def test_text_of_a_host_breaks_no_line_and_moves_no_cursor(summarise, profile, process):
    profile["host"].update(hostname=HOSTILE, kernel=HOSTILE, arch=HOSTILE, virtualisation=HOSTILE)
    profile["host"]["os"]["name"] = HOSTILE
    own = profile["processes"][0]
    own.update(exe="/" + HOSTILE, name=HOSTILE)
    own["libraries"][0].update(name=HOSTILE, version=HOSTILE, deleted=True)
    own["libraries"][0]["package"].update(name=HOSTILE)
    own["files"][0]["facts"].update(subject=HOSTILE)
    own["files"][0]["path"] = own["files"][1]["path"] = "/" + HOSTILE
    own["files"][1]["facts"]["algorithm"] = HOSTILE
    own["operations"][0]["algorithm"] = HOSTILE
    own["tls"][0].update(sni=HOSTILE, version={"name": HOSTILE, "code": "0x0304"})
    own["ssh"][0].update(key_exchange=HOSTILE)
    own["stacks"][0].update(name=HOSTILE, version=HOSTILE, path="/" + HOSTILE)
    profile["coverage"]["probes"][3]["targets"] = [{"path": "/x/" + HOSTILE, "build_id": None, "functions": 1, "status": "attached", "reason": None}]
    profile["coverage"].update(complete=False, reasons=[reason(HOSTILE, names=[HOSTILE], remedy=HOSTILE), reason(HOSTILE, "excluded")], scope={
        "processes": "all", "excluded": [{"pid": 1, "name": HOSTILE, "started_at": None, "unit": None, "code": "x"}]})
    for hosts in ({HOSTILE: profile}, {HOSTILE: profile, "other": profile}):
        page, text = summarise(hosts, {"host": "gone" + HOSTILE, "status": "failed", "reason": HOSTILE})
        assert text.splitlines().count("DETAILS") == 1
        profile["coverage"].update(complete=True)


@pytest.mark.parametrize("number, words", [(0, "0 hosts"), (1, "1 host"), (2, "2 hosts")])
def test_plurals(number, words):
    assert _text.counted(number, "host") == words


def test_the_last_line_of_a_row_says_how_many_are_left():
    assert _text.labelled("x", ["one", "two", "three"], 2) == ["  x               one", "  (1 more)        two"]
    long = _text.labelled("x", ["y" * 200, "z"], 1)[0]
    assert len(long) == WIDTH and long.endswith("...   ... 1 more")
