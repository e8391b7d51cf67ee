# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many connections at once that never block: ``tls_asyncio_client.py PORT NUMBER HOST_NAME``."""

import asyncio
import os
import sys

from tls_ends import client_context


async def one():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]), ssl=client_context(), server_hostname=sys.argv[3])
    seen = writer.get_extra_info("ssl_object")
    writer.write(b"hello")
    await reader.read()
    writer.close()
    return "|".join((str(os.getpid()), seen.version(), seen.cipher()[0]))


async def main():
    for text in await asyncio.gather(*[one() for _number in range(int(sys.argv[2]))]):
        print(text)


asyncio.run(main())
