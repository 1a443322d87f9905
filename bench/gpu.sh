#!/usr/bin/env bash
# Correctness and speed of the CUDA library on this machine's GPU:
#
#   bench/gpu.sh [--shim] [--out FOLDER]
#
# Needs a CUDA toolkit and a C++ compiler, nothing else. --shim runs everything on the CPU, with
# small sizes: it tests this script. Ends with status 0 when all is right and every target is met.
set -euo pipefail
cd "$(dirname "$0")/.."

is_shim=false
out=$(mktemp -d)/gpu
while [ $# -gt 0 ]; do
  case $1 in
    --shim) is_shim=true ;;
    --out) [ $# -ge 2 ] || { echo "--out needs a folder" >&2; exit 2; }; out=$2; shift ;;
    *) echo "usage: bench/gpu.sh [--shim] [--out FOLDER]" >&2; exit 2 ;;
  esac
  shift
done
mkdir -p "$out"

cxx=${CXX:-g++}
common=(bench/gpu/support.cpp)
if $is_shim; then
  cuda/build.sh "$out/libwarp_cuda.a" --shim
  libraries=(-ldl -lpthread -lrt)
  scale=1
  small=(--small)
else
  nvidia-smi --query-gpu=name,driver_version,pcie.link.gen.current,pcie.link.width.current \
    --format=csv,noheader || true
  cuda/build.sh "$out/libwarp_cuda.a" --arch native
  toolkit=$(nvcc -dryrun -x cu -c /dev/null -o /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p')
  libraries=("-L$toolkit/lib64" "-L$toolkit/targets/x86_64-linux/lib" -lcudart_static
    -ldl -lpthread -lrt)
  scale=8
  small=()
fi

link() {
  local name=$1
  shift
  "$cxx" -std=c++17 -O2 -Wall -Wextra -Werror "$@" "${common[@]}" "$out/libwarp_cuda.a" \
    -o "$out/$name" "${libraries[@]}"
}
link check bench/gpu/check*.cpp bench/gpu/reference.cpp
link bench bench/gpu/bench*.cpp

echo "== correctness"
"$out/check" tests/vectors "$scale"
# Small slots: every batch goes through many pieces.
WARP_CUDA_SLOT_BYTES=1048576 "$out/check" tests/vectors "$scale"

if ! $is_shim && command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    echo "== compute-sanitizer $tool"
    compute-sanitizer --tool "$tool" --error-exitcode 1 "$out/check" tests/vectors 1
  done
else
  echo "== SKIP compute-sanitizer: not here"
fi

echo "== speed"
"$out/bench" "${small[@]}"
