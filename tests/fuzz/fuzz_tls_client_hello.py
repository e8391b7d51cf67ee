# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any bytes as a ClientHello."""

from __future__ import annotations

from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.hello_cache import client_hello_cache
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_hellos import client_hello
from ansible_collections.cryptofleet.audit.plugins.module_utils._wire.tls_messages import MalformedMessage
from ansible_collections.cryptofleet.audit.tests.unit.support.tls_recordings import RECORDINGS, hellos

CACHE = client_hello_cache(client_hello)


def seeds():
    return [body for recording in RECORDINGS.values() for body in hellos(recording.from_client)]


def check(data):
    try:
        hello = client_hello(data)
    except MalformedMessage:
        hello = None
    try:
        assert CACHE.parse(data) == hello
    except MalformedMessage:
        assert hello is None
    if hello is None:
        return
    for codes in (hello.cipher_suites, hello.versions, hello.groups, hello.key_shares, hello.signature_algorithms):
        assert len(codes) <= len(data) // 2 and all(0 <= code <= 0xFFFF for code in codes)
    for text in hello.alpn + (hello.server_name or "",):
        assert text.isascii() and text.isprintable() and len(text) <= 4 * 255 + 3
    assert len(hello.session_id) <= 32 and len(hello.random) == 32
