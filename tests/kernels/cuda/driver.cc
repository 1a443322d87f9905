/* Makes the calls of a file (calls.ts writes it) and compares what they give, with threads in
 * either order. Built with sanitizers: every buffer is an allocation of its own, as large as it
 * must be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utility>
#include <vector>

#include "portable.h"

static const uint8_t FILL = 0x5a;

enum Kind : uint64_t { NUMBER, NULL_POINTER, INPUT, OUTPUT, CHANGED };

struct Argument {
  uint64_t kind;
  uint64_t number; /* or size */
  const uint8_t *bytes; /* of an input, or expected */
  const uint8_t *before; /* of CHANGED */
  uint8_t *memory;
};

struct File {
  std::vector<uint8_t> bytes;
  size_t at = 0;

  const uint8_t *take(uint64_t count) {
    if (count > bytes.size() - at) {
      fprintf(stderr, "the file is cut short\n");
      exit(2);
    }
    const uint8_t *from = bytes.data() + at;
    at += count;
    return from;
  }
  uint64_t word() {
    uint64_t value;
    memcpy(&value, take(8), 8);
    return value;
  }
};

/* Parameters of C functions from arguments. */
struct Value {
  const Argument &argument;
  template <class T, class = std::enable_if_t<std::is_integral_v<T>>>
  operator T() const {
    return (T)argument.number;
  }
  template <class T>
  operator T *() const {
    return (T *)(void *)argument.memory;
  }
};

template <class... P, size_t... I>
static warp_status call_with(warp_status (*launch)(warp_stream, P...),
                             const std::vector<Argument> &arguments, uint8_t *scratch,
                             std::index_sequence<I...>) {
  if (arguments.size() != sizeof...(I)) return WARP_EINVAL;
  return launch(nullptr, Value{arguments[I]}..., scratch);
}

template <class... P, size_t... I>
static warp_status call_without(warp_status (*launch)(warp_stream, P...),
                                const std::vector<Argument> &arguments,
                                std::index_sequence<I...>) {
  if (arguments.size() != sizeof...(I)) return WARP_EINVAL;
  return launch(nullptr, Value{arguments[I]}...);
}

/* Of functions whose last parameter is not scratch memory. */
template <class... P>
static warp_status call(warp_status (*launch)(warp_stream, P...),
                        const std::vector<Argument> &arguments) {
  return call_without(launch, arguments, std::make_index_sequence<sizeof...(P)>());
}

template <class... P>
static warp_status call(warp_status (*launch)(warp_stream, P...),
                        const std::vector<Argument> &arguments, uint8_t *scratch) {
  return call_with(launch, arguments, scratch, std::make_index_sequence<sizeof...(P) - 1>());
}

static const uint64_t LZ4_DECOMPRESS = 6;

/* In the order of LAUNCHES in calls.ts. */
static warp_status dispatch(uint64_t index, const std::vector<Argument> &arguments,
                            uint8_t *scratch) {
  switch (index) {
    case 0: return call(boundary_launch, arguments, scratch);
    case 1: return call(blake3_launch, arguments, scratch);
    case 2: return call(merkle_launch, arguments, scratch);
    case 3: return call(seal_launch, arguments, scratch);
    case 4: return call(open_launch, arguments, scratch);
    case 5: return call(lz4_compress_launch, arguments, scratch);
    case LZ4_DECOMPRESS: return call(lz4_decompress_launch, arguments, scratch);
    case 7: return call(entropy_launch, arguments, scratch);
    case 8: return call(fused_launch, arguments, scratch);
    case 9: return call(scheduler_dispatch_launch, arguments, scratch);
    case 10: return call(scheduler_clear_launch, arguments);
    case 11: return call(scheduler_put_launch, arguments);
    case 12: return call(scheduler_events_launch, arguments);
    case 13: return call(scheduler_fold_launch, arguments);
    case 14: return call(scheduler_choose_launch, arguments);
    case 15: return call(scheduler_choose_dirty_launch, arguments);
    case 16: return call(scheduler_failover_launch, arguments);
    case 17: return call(scheduler_prices_launch, arguments);
    case 18: return call(scheduler_reset_prices_launch, arguments);
    case 19: return call(scheduler_best_launch, arguments);
    case 20: return call(scheduler_digest_launch, arguments);
    default: return WARP_ENOTSUP;
  }
}

static uint8_t *allocate(uint64_t size, uint8_t fill) {
  void *memory = nullptr;
  if (posix_memalign(&memory, 256, size == 0 ? 1 : size) != 0) abort();
  memset(memory, fill, size);
  return (uint8_t *)memory;
}

/* True when all outputs are as in the file. */
static bool make_call(uint64_t index, std::vector<Argument> &arguments, uint64_t scratch_bytes) {
  uint8_t *scratch = allocate(scratch_bytes, FILL);
  for (Argument &a : arguments) {
    a.memory = nullptr;
    if (a.kind == INPUT) {
      const bool is_exact = index == LZ4_DECOMPRESS; /* which loads single bytes */
      a.memory = allocate(is_exact ? a.number : (a.number + 15) & ~(uint64_t)15, FILL);
      memcpy(a.memory, a.bytes, a.number);
    } else if (a.kind == OUTPUT || a.kind == CHANGED) {
      a.memory = allocate(a.number, FILL);
      if (a.kind == CHANGED) memcpy(a.memory, a.before, a.number);
    }
  }
  bool is_equal = dispatch(index, arguments, scratch) == WARP_OK;
  for (Argument &a : arguments) {
    if (a.kind == OUTPUT || a.kind == CHANGED)
      is_equal = is_equal && memcmp(a.memory, a.bytes, a.number) == 0;
    free(a.memory);
  }
  free(scratch);
  return is_equal;
}

int main(int count, char **names) {
  FILE *input = count == 2 ? fopen(names[1], "rb") : nullptr;
  if (input == nullptr) return 2;
  File file;
  uint8_t part[65536];
  for (size_t n; (n = fread(part, 1, sizeof part, input)) != 0;)
    file.bytes.insert(file.bytes.end(), part, part + n);
  fclose(input);

  const uint64_t calls = file.word();
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < calls; i++) {
    const uint64_t index = file.word(), arity = file.word(), scratch_bytes = file.word();
    std::vector<Argument> arguments;
    for (uint64_t k = 0; k < arity; k++) {
      Argument a = {file.word(), 0, nullptr, nullptr, nullptr};
      if (a.kind != NULL_POINTER) a.number = file.word();
      if (a.kind >= INPUT) a.bytes = file.take(a.number);
      if (a.kind == CHANGED) a.before = file.take(a.number);
      arguments.push_back(a);
    }
    for (int is_reversed = 0; is_reversed < 2; is_reversed++) {
      warp_shim_reverse(is_reversed);
      if (make_call(index, arguments, scratch_bytes)) continue;
      fprintf(stderr, "call %llu of function %llu differs%s\n", (unsigned long long)i,
              (unsigned long long)index, is_reversed ? " in reversed order" : "");
      wrong++;
    }
  }
  printf("%llu calls, %llu differ\n", (unsigned long long)calls, (unsigned long long)wrong);
  return wrong == 0 ? 0 : 1;
}
