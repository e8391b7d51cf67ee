# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""smtplib with STARTTLS. Arguments: port, host name, version."""

import json
import os
import smtplib
import ssl
import sys

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.minimum_version = context.maximum_version = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}[sys.argv[3]]
client = smtplib.SMTP()
client.connect("127.0.0.1", int(sys.argv[1]))
client._host = sys.argv[2]  # the name that starttls() asks for
client.starttls(context=context)
print("said " + json.dumps({"role": "client", "pid": os.getpid(), "version": client.sock.version(), "cipher_suite": client.sock.cipher()[0],
                            "sni": sys.argv[2], "alpn": "", "resumed": client.sock.session_reused}), flush=True)
client.close()
