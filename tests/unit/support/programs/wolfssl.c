// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

int main(void)
{
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfTLS_client_method());
    WOLFSSL *session = wolfSSL_new(context);
    return wolfSSL_connect(session) == SSL_SUCCESS;
}
