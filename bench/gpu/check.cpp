/* check VECTORS [SCALE]: every kernel of device 0 against vectors and plain code. Ends with status
 * 0 when all is right. */
#include "check.h"

bool next_value(const std::string &json, const char *name, size_t &at, std::string &value) {
  const std::string field = std::string("\"") + name + "\"";
  const size_t found = json.find(field, at);
  if (found == std::string::npos) return false;
  const size_t start = json.find('"', json.find(':', found + field.size()));
  const size_t end = json.find('"', start + 1);
  if (start == std::string::npos || end == std::string::npos) return false;
  value = json.substr(start + 1, end - start - 1);
  at = end;
  return true;
}

int main(int count, char **arguments) {
  if (count < 2) {
    printf("usage: check VECTORS [SCALE]\n");
    return 2;
  }
  const uint64_t scale = count > 2 ? strtoull(arguments[2], nullptr, 10) : 1;
  warp_info info = {};
  info.size = sizeof info;
  const warp_status probed = warp_probe(0, &info);
  printf("device: %s (%s)\n", info.name, info.detail);
  if (probed != WARP_OK) return 1;
  warp_context context = 0;
  require(0, warp_context_open(0, 0, 4, &context), "warp_context_open");
  check_blake3(context, arguments[1], scale);
  check_aead(context, arguments[1], scale);
  check_lz4(context, scale);
  check_entropy(context, scale);
  check_boundary(context, scale);
  check_fused(context, scale);
  require(context, warp_context_close(context), "warp_context_close");
  return 0;
}
