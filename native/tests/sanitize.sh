#!/usr/bin/env bash
# Builds the native tests plainly, under ASan + UBSan and under TSan, and runs each. TSan has nothing to see in the
# emulation of CUDA, which has one thread.
set -euo pipefail
cd "$(dirname "$0")/../.."
for sanitizer in "" address,undefined thread; do
  name=${sanitizer:-plain}
  dir=build/native-tests-${name/,/-}
  programs=(lockstep_tests)
  [ "$sanitizer" = thread ] || programs+=(lockstep_cuda_emulated_tests)
  cmake -S . -B "$dir" -G Ninja -DLOCKSTEP_NATIVE_TESTS=ON -DLOCKSTEP_WERROR=ON -DLOCKSTEP_SANITIZE="$sanitizer" \
    -DCMAKE_BUILD_TYPE="$([ -z "$sanitizer" ] && echo Release || echo RelWithDebInfo)" > /dev/null
  cmake --build "$dir" --target "${programs[@]}" > "$dir/build.log" || { cat "$dir/build.log"; exit 1; }
  echo "$name:"
  for program in "${programs[@]}"; do
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1 "$dir/$program"
  done
done
