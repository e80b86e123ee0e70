// Digests (libcrypto) and TLS (libssl) of OpenSSL 3.
#include <openssl/evp.h>
#include <openssl/ssl.h>
