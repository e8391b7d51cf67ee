// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include <openssl/ssl.h>

int main(void)
{
    return SSL_CTX_new(TLS_client_method()) == NULL;
}
