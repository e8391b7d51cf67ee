# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' options, through the real argument handling and the real way out; the tracer alone is replaced."""

from __future__ import annotations

import importlib
import json

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cryptofleet.audit.plugins.doc_fragments import _options as fragments
from ansible_collections.cryptofleet.audit.plugins.module_utils._errors import AuditError
from ansible_collections.cryptofleet.audit.plugins.module_utils._window import options

PACKAGE = "ansible_collections.cryptofleet.audit.plugins.modules."


@pytest.fixture
def call(monkeypatch, capsys, profile, preflight, events):
    """Run a module; gives its exit code, its result and the request the tracer was given."""
    def run(name, /, error=None, **arguments):
        module = importlib.import_module(PACKAGE + name)
        requests = []

        def answer(request, *filters):
            requests.append((request, *filters[:1]))
            if error:
                raise AuditError(error)
            if name == "crypto_monitor":
                for event in events:
                    filters[1](json.dumps(event))
                return events[-1]["coverage"]
            return preflight if name == "crypto_preflight" else profile

        verb = {"crypto_profile": "trace", "crypto_snapshot": "snapshot", "crypto_monitor": "monitor", "crypto_preflight": "preflight"}[name]
        monkeypatch.setattr(module, verb, answer)
        with patch_module_args(arguments), pytest.raises(SystemExit) as caught:
            module.main()
        return caught.value.code, json.loads(capsys.readouterr().out), requests
    return run


@pytest.mark.parametrize("name", ["crypto_profile", "crypto_snapshot", "crypto_monitor", "crypto_preflight"])
@pytest.mark.parametrize("check", [False, True])
def test_a_module_without_options_works_and_changes_nothing(call, name, check):
    code, result, requests = call(name, _ansible_check_mode=check)
    assert code == 0 and result["changed"] is False
    assert len(requests) == 1


def test_options_become_a_request(call):
    _code, _result, requests = call("crypto_profile", pid=[7, 5, 7], name=["nginx", "ss*"], unit=["a.service"], container=["c0ffee"], follow_children=False,
                                    duration=60, engine="procfs", probes={"openssl_api": False}, redact=False, max_processes=10, max_files=11,
                                    max_libraries=12, max_operations=13, max_handshakes=14)
    request = requests[0][0]
    assert (request.pids, request.names, request.units, request.containers) == ([5, 7], ["nginx", "ss*"], ["a.service"], ["c0ffee"])
    assert request.probes == {"process": True, "file_open": True, "library_load": True, "openssl_api": False, "library_api": True, "tls_handshake": True, "ssh_kex": True}
    assert (request.follow_children, request.duration, request.engine, request.redact) == (False, 60, "procfs", False)
    assert (request.max_processes, request.max_files, request.max_libraries, request.max_operations, request.max_handshakes) == (10, 11, 12, 13, 14)


def test_filters_of_a_stream(call):
    _code, result, requests = call("crypto_monitor", events=["file_open"], file=["*.pem"], library=["libssl*"], max_events=5)
    assert requests[0][1] == {"events": ["file_open"], "files": ["*.pem"], "libraries": ["libssl*"]}
    assert requests[0][0].max_events == 5
    assert result["events"][-1]["event"] == "coverage"


@pytest.mark.parametrize("name", ["crypto_profile", "crypto_snapshot", "crypto_monitor", "crypto_preflight"])
def test_an_error_of_the_tracer_is_one_message(call, name):
    code, result, _requests = call(name, error="no process matches name 'x'")
    assert code == 1 and result["failed"] is True
    assert result["msg"] == "no process matches name 'x'"


@pytest.mark.parametrize("arguments, words", [
    ({"duration": 0}, "duration must be from 1 to 3600, not 0"),
    ({"duration": -5}, "duration must be from 1 to 3600, not -5"),
    ({"duration": 3601}, "duration must be from 1 to 3600, not 3601"),
    ({"max_files": 0}, "max_files must be from 1 to"),
    ({"pid": [-1]}, "pid must be 1 or more, not -1"),
    ({"unit": [""]}, "unit contains an empty string"),
    ({"probes": dict.fromkeys(options.PROBES, False)}, "every probe is disabled"),
    ({"engine": "bcc"}, "value of engine must be one of"),
    ({"probes": {"telepathy": True}}, "Unsupported parameters"),
])
def test_bad_options_are_one_message(call, arguments, words):
    code, result, requests = call("crypto_profile", **arguments)
    assert code == 1 and words in result["msg"]
    assert requests == []


def test_the_documentation_of_shared_options_says_what_the_code_does():
    documented = {}
    for text in (fragments.ModuleDocFragment.TARGETS, fragments.ModuleDocFragment.WINDOW, fragments.ModuleDocFragment.PROBES,
                 fragments.ModuleDocFragment.DOCUMENT):
        documented.update(yaml.safe_load(text)["options"])
    specs = dict(options.target_options(), **options.window_options(), **options.document_options())
    assert set(documented) == set(specs)
    for option, spec in specs.items():
        for key in ("type", "default", "choices", "elements", "aliases"):
            assert documented[option].get(key) == spec.get(key), (option, key)
    for option, (low, high) in options._RANGES.items():
        if option in documented:
            text = " ".join(documented[option]["description"])
            assert "V(%d)" % low in text and "V(%d)" % high in text, option
