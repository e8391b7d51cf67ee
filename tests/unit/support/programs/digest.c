// SPDX-FileCopyrightText: cryptofleet.audit contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include <openssl/evp.h>

int main(void)
{
    return EVP_EncryptInit_ex(EVP_CIPHER_CTX_new(), EVP_aes_256_gcm(), NULL, NULL, NULL);
}
