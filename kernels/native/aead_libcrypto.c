/* ChaCha20-Poly1305 of OpenSSL's libcrypto, opened when first needed. Each thread keeps its contexts:
 * setting the cipher up anew would cost a fifth of the speed at 16 KiB. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aead_engines.h"

#define GET_TAG 0x10
#define SET_TAG 0x11

/* OPENSSL_INIT_NO_ATEXIT */
#define NO_CLEANUP 0x00080000ull

static struct {
  int (*init)(uint64_t, const void *);
  const char *(*version)(int);
  const void *(*cipher)(void);
  void *(*new_context)(void);
  void (*free_context)(void *);
  int (*control)(void *, int, int, void *);
  int (*start_seal)(void *, const void *, void *, const uint8_t *, const uint8_t *);
  int (*seal)(void *, uint8_t *, int *, const uint8_t *, int);
  int (*end_seal)(void *, uint8_t *, int *);
  int (*start_open)(void *, const void *, void *, const uint8_t *, const uint8_t *);
  int (*open)(void *, uint8_t *, int *, const uint8_t *, int);
  int (*end_open)(void *, uint8_t *, int *);
} evp;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t contexts_key;
static char name[40];
static int is_there;

struct contexts {
  void *seal, *open;
};

static void free_contexts(void *pointer) {
  struct contexts *contexts = pointer;
  if (contexts->seal != NULL) evp.free_context(contexts->seal);
  if (contexts->open != NULL) evp.free_context(contexts->open);
  free(contexts);
}

static int find(void *library, const char *symbol_name, void *pointer) {
  void *symbol = dlsym(library, symbol_name);
  memcpy(pointer, &symbol, sizeof symbol);
  return symbol != NULL;
}

static void *open_library(void) {
  /* macOS: Apple's own libcrypto ends the process that loads it, so full Homebrew paths only. */
  static const char *const names[] = {
      "libcrypto.so.3", "libcrypto.so.1.1", "/opt/homebrew/opt/openssl@3/lib/libcrypto.3.dylib",
      "/usr/local/opt/openssl@3/lib/libcrypto.3.dylib"};
  void *library = NULL;
  for (size_t i = 0; library == NULL && i < sizeof names / sizeof *names; i++)
    library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  return library;
}

static void name_it(void) {
  const char *text = evp.version(0), *digits = strpbrk(text, "0123456789");
  if (digits == NULL) digits = text;
  snprintf(name, sizeof name, "libcrypto %.*s", (int)strcspn(digits, " "), digits);
}

/* A context keeps its key until it gets another one. */
static void forget_seal_key(void *context) {
  static const uint8_t zero[32];
  (void)evp.start_seal(context, NULL, NULL, zero, NULL);
}

static void forget_open_key(void *context) {
  static const uint8_t zero[32];
  (void)evp.start_open(context, NULL, NULL, zero, NULL);
}

static struct contexts *contexts_of_thread(void) {
  struct contexts *contexts = pthread_getspecific(contexts_key);
  if (contexts != NULL) return contexts;
  contexts = calloc(1, sizeof *contexts);
  if (contexts == NULL) return NULL;
  contexts->seal = evp.new_context();
  contexts->open = evp.new_context();
  const int is_ready = contexts->seal != NULL && contexts->open != NULL &&
                       evp.start_seal(contexts->seal, evp.cipher(), NULL, NULL, NULL) == 1 &&
                       evp.start_open(contexts->open, evp.cipher(), NULL, NULL, NULL) == 1 &&
                       pthread_setspecific(contexts_key, contexts) == 0;
  if (is_ready) return contexts;
  free_contexts(contexts);
  return NULL;
}

static void open_once(void) {
  void *library = open_library();
  /* Threads that end while the process does would free their contexts after OpenSSL has cleaned up. */
  if (library != NULL && find(library, "OPENSSL_init_crypto", &evp.init)) evp.init(NO_CLEANUP, NULL);
  is_there = library != NULL && find(library, "OpenSSL_version", &evp.version) &&
             find(library, "EVP_chacha20_poly1305", &evp.cipher) &&
             find(library, "EVP_CIPHER_CTX_new", &evp.new_context) &&
             find(library, "EVP_CIPHER_CTX_free", &evp.free_context) &&
             find(library, "EVP_CIPHER_CTX_ctrl", &evp.control) &&
             find(library, "EVP_EncryptInit_ex", &evp.start_seal) &&
             find(library, "EVP_EncryptUpdate", &evp.seal) &&
             find(library, "EVP_EncryptFinal_ex", &evp.end_seal) &&
             find(library, "EVP_DecryptInit_ex", &evp.start_open) &&
             find(library, "EVP_DecryptUpdate", &evp.open) &&
             find(library, "EVP_DecryptFinal_ex", &evp.end_open) && evp.cipher() != NULL &&
             pthread_key_create(&contexts_key, free_contexts) == 0;
  /* OpenSSL in FIPS mode names the cipher but does not offer it. */
  if (is_there && contexts_of_thread() == NULL) is_there = 0;
  if (is_there) name_it();
}

const char *libcrypto_name(void) {
  pthread_once(&once, open_once);
  return is_there ? name : NULL;
}

int libcrypto_seal(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
                   uint64_t aad_length, const uint8_t *plaintext, uint64_t length, uint8_t *out) {
  if (libcrypto_name() == NULL || length > INT_MAX || aad_length > INT_MAX) return 0;
  const struct contexts *contexts = contexts_of_thread();
  if (contexts == NULL) return 0;
  void *context = contexts->seal;
  int count;
  const int is_done =
      evp.start_seal(context, NULL, NULL, key, nonce) == 1 &&
      (aad_length == 0 || evp.seal(context, NULL, &count, aad, (int)aad_length) == 1) &&
      (length == 0 || evp.seal(context, out, &count, plaintext, (int)length) == 1) &&
      evp.end_seal(context, out + length, &count) == 1 &&
      evp.control(context, GET_TAG, 16, out + length) == 1;
  forget_seal_key(context);
  return is_done;
}

int libcrypto_open(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
                   uint64_t aad_length, const uint8_t *sealed, uint64_t length, uint8_t *out,
                   int *status) {
  if (libcrypto_name() == NULL || length > INT_MAX || aad_length > INT_MAX) return 0;
  const struct contexts *contexts = contexts_of_thread();
  if (contexts == NULL) return 0;
  void *context = contexts->open;
  uint8_t tag[16], rest[16];
  int count;
  memcpy(tag, sealed + length, 16);
  const int is_read = evp.start_open(context, NULL, NULL, key, nonce) == 1 &&
                      evp.control(context, SET_TAG, 16, tag) == 1 &&
                      (aad_length == 0 ||
                       evp.open(context, NULL, &count, aad, (int)aad_length) == 1) &&
                      (length == 0 || evp.open(context, out, &count, sealed, (int)length) == 1);
  if (is_read) *status = evp.end_open(context, rest, &count) == 1 ? 0 : 1;
  forget_open_key(context);
  return is_read;
}
