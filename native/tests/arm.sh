#!/usr/bin/env bash
# Compiles the engine and its native tests for 64-bit ARM, and compares the NEON kernels with the scalar ones under an emulator.
# usage: arm.sh [part of the tests, "all" for every one: minutes]; without it, kernels and predict
set -euo pipefail
cd "$(dirname "$0")/../.."
compiler=aarch64-linux-gnu-g++
emulator=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
if ! command -v "$compiler" > /dev/null; then
  echo "not run: the NEON kernels, which need $compiler (apt-get install g++-aarch64-linux-gnu qemu-user-static)"
  exit 0
fi
dir=build/native-tests-arm
cmake -S . -B "$dir" -G Ninja -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_EXE_LINKER_FLAGS=-static -DLOCKSTEP_NATIVE_TESTS=ON -DLOCKSTEP_WERROR=ON > /dev/null
cmake --build "$dir" --target lockstep_tests > "$dir/build.log" || { cat "$dir/build.log"; exit 1; }
if [ -z "$emulator" ]; then
  echo "compiled, not run: the NEON kernels, which need qemu-aarch64 (apt-get install qemu-user-static)"
  exit 0
fi
echo "arm:"
for part in ${1:-kernels predict}; do
  "$emulator" "$dir/lockstep_tests" $([ "$part" = all ] || echo "$part")
done
