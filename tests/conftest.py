# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that tests of the controller's side start from."""

from __future__ import annotations

import copy
import os

import hypothesis
import pytest

# how long an example takes says something of the machine, not of the code
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

MOMENT = "2026-01-31T12:00:00.123456Z"
LATER = "2026-01-31T12:00:30.123456Z"
OBSERVED = {"source": "kernel", "grade": "observed"}

LIBRARY = {"name": "libcrypto", "family": "OpenSSL", "path": "/usr/lib/libcrypto.so.3", "version": "3.0.17", "build_id": "ab12",
           "package": {"manager": "dpkg", "name": "libssl3", "version": "3.0.17-1"}, "deleted": False, "how": "loaded",
           "first_seen": MOMENT, "evidence": OBSERVED}
FILE = {"path": "/etc/ssl/private/site.key", "kind": "private_key", "classified_by": "content", "format": "PEM", "flags": ["O_RDONLY"],
        "result": "ok", "count": 2, "first_seen": MOMENT, "last_seen": LATER, "mode": "0600", "owner": "root", "group": "root",
        "size": 1704, "deleted": False, "facts": {"algorithm": "RSA", "key_bits": 2048, "encrypted": False}, "evidence": OBSERVED}
CERTIFICATE = dict(FILE, path="/etc/ssl/certs/site.pem", kind="certificate", mode="0644", facts={
    "subject": "CN=site.example", "issuer": "CN=site.example", "serial": "1f", "key_algorithm": "RSA", "key_bits": 2048,
    "signature_algorithm": "sha256WithRSAEncryption", "not_before": "2025-01-01T00:00:00Z", "not_after": "2026-01-01T00:00:00Z",
    "fingerprint_sha256": "c" * 64, "self_signed": True, "is_ca": False, "san": ["DNS:site.example"]})
OPERATION = {"library": "/usr/lib/libcrypto.so.3", "function": "EVP_EncryptInit_ex", "algorithm": "AES-256-GCM", "operation": "encrypt",
             "key_bits": 256, "count": 1000, "first_seen": MOMENT, "last_seen": LATER, "evidence": {"source": "library", "grade": "observed"}}
STACK = {"name": "Go crypto/tls", "version": "1.27.3", "path": "/usr/bin/agent", "detected_by": "build info", "visibility": "unobservable",
         "details": {"program": {"name": "example.org/agent", "version": "v1.2.0"}, "vendor": None, "fips": "GOFIPS140=v1.0.0",
                     "settings": [{"name": "GOFIPS140", "value": "v1.0.0"}], "modules": [{"name": "crypto/tls", "version": None}], "providers": [],
                     "disabled_algorithms": None},
         "evidence": {"source": "file", "grade": "present"}}
WIRE = {"source": "wire", "grade": "observed"}
TLS = {
    "role": "server", "transport": "tcp", "outcome": "negotiated", "version": {"name": "TLS 1.3", "code": "0x0304"},
    "cipher_suite": {"name": "TLS_AES_256_GCM_SHA384", "code": "0x1302"}, "group": {"name": "X25519MLKEM768", "code": "0x11ec"},
    "signature_algorithm": None, "sni": "site.example", "alpn": None, "peer": {"address": "192.0.2.7", "port": None},
    "local": {"address": "192.0.2.1", "port": 443}, "resumed": False, "hello_retry": False, "alert": None, "certificate": None,
    "offered": {"versions": ["TLS 1.3", "TLS 1.2"], "cipher_suites": ["TLS_AES_256_GCM_SHA384", "0xfefe"], "groups": ["X25519MLKEM768", "x25519"],
                "key_shares": ["X25519MLKEM768"], "signature_algorithms": ["ecdsa_secp256r1_sha256"], "alpn": ["h2"], "truncated": False, "early_data": False,
                "encrypted_client_hello": False},
    "count": 7, "first_seen": MOMENT, "last_seen": LATER, "evidence": WIRE}
SSH = {
    "role": "server", "outcome": "negotiated", "software": "SSH-2.0-OpenSSH_9.2p1", "peer_software": "SSH-2.0-paramiko_3.5.0",
    "key_exchange": "curve25519-sha256", "host_key": "ssh-ed25519", "host_key_bits": 256, "cipher_client_to_server": "aes256-ctr",
    "cipher_server_to_client": "aes256-ctr", "mac_client_to_server": "hmac-sha2-256", "mac_server_to_client": "hmac-sha2-256", "strict_kex": True,
    "offered": {"key_exchange": ["curve25519-sha256"], "host_keys": ["ssh-ed25519"], "ciphers": ["aes256-ctr"], "macs": ["hmac-sha2-256"]},
    "peer": {"address": "192.0.2.7", "port": None}, "local": {"address": "192.0.2.1", "port": 22}, "count": 1, "first_seen": MOMENT,
    "last_seen": LATER, "evidence": WIRE}
PROCESS = {
    "pid": 4711, "ppid": 1, "name": "nginx", "exe": "/usr/sbin/nginx", "exe_build_id": None, "exe_deleted": False, "exe_package": None,
    "cmdline": ["nginx", "-g", "daemon off;"], "user": "root", "uid": 0, "exec_number": 2, "started_at": MOMENT, "exec_at": None,
    "exited_at": None, "exit_code": None, "exit_signal": None, "unit": "nginx.service", "container": None, "audit_connection": False,
    "evidence": OBSERVED, "libraries": [LIBRARY], "files": [CERTIFICATE, FILE], "operations": [OPERATION], "tls": [TLS], "ssh": [SSH],
    "stacks": [STACK], "coverage": "observed", "coverage_reason": None}
COVERAGE = {
    "complete": True, "scope": {"processes": "all", "excluded": []}, "reasons": [],
    "probes": [{"name": name, "status": "attached", "hook": "tp_btf/x", "reason": None, "errno": None, "verifier_log": [], "hits": 5, "lost": {}, "targets": []}
               for name in ("process", "file_open", "library_load", "openssl_api", "library_api", "tls_handshake", "ssh_kex")],
    "lost": {}, "files_gone": 0,
    "processes": {"seen": 1, "reported": 1, "omitted_over_bound": 0, "observed": 1, "idle": 0, "unobservable": 0, "exited_before_attach": 0,
                  "permission_denied": 0},
    "tracer": {"cpu_seconds": 0.1, "peak_memory_kib": 20000, "attach_seconds": 0.2, "detach_seconds": 0.1}}
PROFILE = {
    "schema_version": "1.0", "collection_version": "0.1.0", "document": "profile",
    "host": {"hostname": "web1", "machine_id_hash": "a" * 64, "boot_id": "b", "kernel": "6.1.0-x", "arch": "x86_64",
             "os": {"id": "debian", "version_id": "12", "name": "Debian GNU/Linux 12"}, "virtualisation": None},
    "window": {"started_at": MOMENT, "ended_at": LATER, "requested_seconds": 30, "actual_seconds": 30.01, "ended_because": "duration"},
    "targets": {"pids": [], "names": [], "units": [], "containers": [], "follow_children": True, "whole_host": True},
    "engine": {"name": "libbpf", "grade": "full", "version": "libbpf 1.1.2", "rejected": []},
    "coverage": COVERAGE, "processes": [PROCESS], "unattributed": {"tls": [], "ssh": []},
    "statistics": {"processes": 1, "libraries": 1, "files": 2, "operations": 1, "tls": 1, "ssh": 1, "events": 42}}
PREFLIGHT = {
    "schema_version": "1.0", "collection_version": "0.1.0", "document": "preflight", "host": PROFILE["host"], "engine": PROFILE["engine"],
    "probes": [{"name": "process", "status": "attached", "hook": "tp_btf/x", "reason": None, "errno": None, "verifier_log": [],
                "attach_ms": 12.5, "remedy": None}],
    "kernel": {"btf": True, "libbpf_version": "1.1.2", "tracefs": "/sys/kernel/tracing", "lockdown": "none",
               "capabilities": ["CAP_BPF"], "euid": 0, "cgroup_mode": "v2"},
    "supports": {"profile": True, "grade": "full", "probes": ["process"]}, "remedies": []}
EVENTS = [
    {"time": MOMENT, "event": "file_open", "pid": 4711, "name": "nginx", "exe": "/usr/sbin/nginx", "path": "/etc/ssl/private/site.key",
     "kind": "private_key", "flags": ["O_RDONLY"], "result": "ok"},
    {"event": "coverage", "coverage": COVERAGE}]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that is skipped says nothing; where the machine was set up by the project's own files, it is a failure.

    Only a stand-alone checkout may lack a tool: set CRYPTOFLEET_MAY_SKIP there.
    """
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and not os.environ.get("CRYPTOFLEET_MAY_SKIP"):
        report.outcome = "failed"
        report.longrepr = "skipped, which is not allowed here: %s" % (report.longrepr,)
    return report


@pytest.fixture
def profile():
    return copy.deepcopy(PROFILE)


@pytest.fixture
def preflight():
    return copy.deepcopy(PREFLIGHT)


@pytest.fixture
def events():
    return copy.deepcopy(EVENTS)


@pytest.fixture
def process():
    return copy.deepcopy(PROCESS)
