// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include <mbedtls/ssl.h>

int main(void)
{
    mbedtls_ssl_context session;
    mbedtls_ssl_init(&session);
    return mbedtls_ssl_handshake(&session) == 0;
}
