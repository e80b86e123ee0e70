// What encryption alone costs: the records of TLS_AES_128_GCM_SHA256 (RFC 8446 section 5) without
// a socket.
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "CBench.h"

int bench_seal(const void *bytes, size_t length) {
    enum { RECORD = 16384 };
    static const unsigned char key[16], nonce[12];
    unsigned char sealed[RECORD + 16], tag[16];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int failed = !context || !EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), NULL, key, nonce);
    for (const unsigned char *next = bytes, *end = next + length; next < end && !failed;) {
        int piece = end - next < RECORD ? (int)(end - next) : RECORD, count;
        failed = !EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce)
            || !EVP_EncryptUpdate(context, sealed, &count, next, piece)
            || !EVP_EncryptFinal_ex(context, sealed + count, &count)
            || !EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, sizeof tag, tag);
        next += piece;
    }
    EVP_CIPHER_CTX_free(context);
    return failed ? -EPROTO : 0;
}
