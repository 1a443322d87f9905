/* ChaCha20-Poly1305 (RFC 8439) of one message. */
#ifndef WARP_AEAD_H
#define WARP_AEAD_H
#include <stdint.h>

/* `out` takes length + 16 bytes and may begin where `plaintext` does. */
void aead_seal(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
               uint64_t aad_length, const uint8_t *plaintext, uint64_t length, uint8_t *out);

/* `out` takes sealed_length - 16 bytes. 0, or 1 for a wrong tag or fewer than 16 bytes: `out` is then
 * zeroed. */
int aead_open(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
              uint64_t aad_length, const uint8_t *sealed, uint64_t sealed_length, uint8_t *out);

/* "libcrypto 3.0.x", or the instruction set of our own code. */
const char *aead_engine(void);

#endif
