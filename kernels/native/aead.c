/* Which engine seals and opens: libcrypto's assembly where it is installed and worth its fixed cost. */
#include "aead.h"

#include <string.h>

#include "aead_engines.h"
#include "dispatch.h"

/* Below this, setting up an EVP context costs more than its code saves. */
#define LIBCRYPTO_BYTES_LEAST 4096

/* A limited instruction set is meant for our own code; so is WARP_OWN_AEAD, for tests. */
static int wants_libcrypto(uint64_t length) {
#if defined(WARP_OWN_AEAD)
  (void)length;
  return 0;
#else
  return length >= LIBCRYPTO_BYTES_LEAST && !warp_isa_is_limited() && libcrypto_name() != NULL;
#endif
}

const char *aead_engine(void) {
  static const char *const names[] = {"own scalar", "own 128-bit", "own AVX2", "own AVX-512"};
  return wants_libcrypto(LIBCRYPTO_BYTES_LEAST) ? libcrypto_name() : names[warp_isa()];
}

void aead_seal(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
               uint64_t aad_length, const uint8_t *plaintext, uint64_t length, uint8_t *out) {
  /* libcrypto fails while it sets up or not at all: in place, the plaintext is still there then. */
  if (wants_libcrypto(length) &&
      libcrypto_seal(key, nonce, aad, aad_length, plaintext, length, out))
    return;
  own_seal(key, nonce, aad, aad_length, plaintext, length, out);
}

int aead_open(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
              uint64_t aad_length, const uint8_t *sealed, uint64_t sealed_length, uint8_t *out) {
  if (sealed_length < 16) return 1;
  const uint64_t length = sealed_length - 16;
  int status;
  if (wants_libcrypto(length) &&
      libcrypto_open(key, nonce, aad, aad_length, sealed, length, out, &status)) {
    if (status != 0) memset(out, 0, length);
    return status;
  }
  return own_open(key, nonce, aad, aad_length, sealed, length, out);
}
