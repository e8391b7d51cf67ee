# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads that hash and encrypt, timers that interrupt them, forks, failed opens, and the usual ways that programs end. Prints what came of it all."""

import hashlib
import hmac
import os
import signal
import ssl
import subprocess
import sys
import threading

ticks = [0]


def tick(*_unused):
    ticks[0] += 1


signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
results = [None] * 4


def work(number):
    total = hashlib.sha256()
    for turn in range(400):
        total.update(hashlib.new("sha512", b"%d %d" % (number, turn)).digest())
        total.update(hmac.new(b"key", total.digest(), "sha256").digest())
        if turn % 100 == 0:
            total.update(hashlib.pbkdf2_hmac("sha256", b"p", b"s", 100))
    results[number] = total.hexdigest()


threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
signal.setitimer(signal.ITIMER_REAL, 0)
for path in ("/no/such.key", "/etc/ssl/openssl.cnf", "/dev/null", "/"):
    try:
        os.close(os.open(path, os.O_RDONLY))
        results.append("ok")
    except OSError as error:
        results.append(error.errno)
for code in range(5):
    child = os.fork()
    if child == 0:
        os._exit(code)
    results.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
results.append(subprocess.run(["openssl", "dgst", "-sha256"], input=b"abc", capture_output=True).stdout.decode())
results.append(sorted(cipher["name"] for cipher in ssl.create_default_context().get_ciphers()))
results.append(ticks[0] > 0)
print(results)
sys.exit(42)
