#!/usr/bin/env bash
# Builds libwarp_cuda: every .cu of this folder and of runtime/, and the runtime's C++.
#
#   build.sh OUTPUT              machine code for the architectures below, PTX for newer ones
#   build.sh OUTPUT --arch A     one architecture: sm_90, or native, this machine's
#   build.sh OUTPUT --shim       the same sources by g++ for the CPU: for tests
#
# An OUTPUT that ends in .a is an archive of the objects, whose inner functions can be called: for
# benchmarks. CXX names another compiler; WARP_BUILD_FLAGS are more flags for it, also to link.
set -euo pipefail

architectures=(75 80 86 89 90 100 120)
newest=120

usage() {
  echo "usage: build.sh OUTPUT [--shim | --arch sm_NN]" >&2
  exit 2
}

[ $# -ge 1 ] || usage
output=$1
shift
is_shim=false
arch=all
while [ $# -gt 0 ]; do
  case $1 in
    --shim) is_shim=true ;;
    --arch) [ $# -ge 2 ] || usage; arch=$2; shift ;;
    *) usage ;;
  esac
  shift
done

source=$(cd "$(dirname "$0")" && pwd)
cxx=${CXX:-g++}
read -ra more <<<"${WARP_BUILD_FLAGS:-}"
command -v "$cxx" >/dev/null || { echo "no C++ compiler: \"$cxx\" cannot be run" >&2; exit 3; }
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT

host=(-std=c++17 -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -Wall -Wextra -Wshadow
  -Wno-unknown-pragmas -Werror)
# The C++ library goes in, and nothing of it comes out: templates made here are local too. Threads
# of the library outlive a dlclose.
echo '{ global: warp_*; local: *; };' >"$objects/exports"
link=(-shared -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL -Wl,-z,defs -Wl,-z,nodelete
  "-Wl,--version-script=$objects/exports")
libraries=(-ldl -lpthread -lrt)

# Of each source: how it is compiled. Quoted by xargs' rules.
commands() {
  local file object
  for file in "$source"/*.cu "$source"/runtime/*.cu "$source"/runtime/*.cpp; do
    object=$objects/$(basename "$file").o
    case $file in
      */device_host.cpp) $is_shim || continue ;;
      */device_cuda.cpp) ! $is_shim || continue ;;
    esac
    if $is_shim; then
      set -- "$cxx" -x c++ -O2 -DWARP_SHIM "${host[@]}" "${more[@]}"
    elif [[ $file = *.cu || $file = */device_cuda.cpp ]]; then
      set -- nvcc "${device[@]}"
    else
      set -- "$cxx" -O2 "${host[@]}" "${more[@]}"
    fi
    printf '%q ' "$@" -c "$file" -o "$object"
    printf '\n'
  done
}

if ! $is_shim; then
  command -v nvcc >/dev/null || {
    echo "no CUDA compiler: install the CUDA toolkit, 13.0 or newer, and put nvcc into the PATH" >&2
    exit 3
  }
  device=(-std=c++17 -O3 -t 0 -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra)
  if [ "$arch" = all ]; then
    for one in "${architectures[@]}"; do
      device+=(-gencode "arch=compute_$one,code=sm_$one")
    done
    device+=(-gencode "arch=compute_$newest,code=compute_$newest")
  else
    device+=("-arch=$arch")
  fi
  toolkit=$(nvcc -dryrun -x cu -c /dev/null -o /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p')
  libraries=("-L$toolkit/lib64" "-L$toolkit/targets/x86_64-linux/lib" -lcudart_static
    "${libraries[@]}")
fi

commands | xargs -d '\n' -P "$(nproc)" -I{} bash -c '{}'
mkdir -p "$(dirname "$output")"
if [[ $output = *.a ]]; then
  rm -f "$output"
  ar rcs "$output" "$objects"/*.o
  exit
fi
"$cxx" "${link[@]}" "${more[@]}" "$objects"/*.o -o "$objects/library" "${libraries[@]}"
# Never over a library that a running program has mapped.
cp "$objects/library" "$output.new"
mv "$output.new" "$output"
