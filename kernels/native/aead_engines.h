/* Two ways to the same bytes. `length` is that of the plaintext. */
#ifndef WARP_AEAD_ENGINES_H
#define WARP_AEAD_ENGINES_H
#include <stdint.h>

void own_seal(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
              uint64_t aad_length, const uint8_t *plaintext, uint64_t length, uint8_t *out);
int own_open(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
             uint64_t aad_length, const uint8_t *sealed, uint64_t length, uint8_t *out);

/* 0 when libcrypto could not do it: nothing is to be relied on then. */
int libcrypto_seal(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
                   uint64_t aad_length, const uint8_t *plaintext, uint64_t length, uint8_t *out);
/* 0 as above, otherwise *status is 0 for a right tag and 1 for a wrong one. */
int libcrypto_open(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
                   uint64_t aad_length, const uint8_t *sealed, uint64_t length, uint8_t *out,
                   int *status);
/* "libcrypto 3.0.11", or null where there is none. */
const char *libcrypto_name(void);

#endif
