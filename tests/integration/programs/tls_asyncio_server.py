# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that never blocks and has many connections at once: ``tls_asyncio_server.py CERTIFICATE KEY``."""

import asyncio
import sys

from tls_ends import say, server_context


async def answer(reader, writer):
    say(writer.get_extra_info("ssl_object"))
    await reader.read(10)
    writer.close()


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context(*sys.argv[1:3]))
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
