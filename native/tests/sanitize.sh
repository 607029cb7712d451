#!/usr/bin/env bash
# Builds the native tests plainly, under ASan + UBSan and under TSan, and runs each program on a core of its own. TSan has
# nothing to see in the emulation of CUDA, which has one thread.
set -euo pipefail
cd "$(dirname "$0")/../.."
programs=()
for sanitizer in "" address,undefined thread; do
  name=${sanitizer:-plain}
  dir=build/native-tests-${name/,/-}
  targets=(lockstep_tests)
  [ "$sanitizer" = thread ] || targets+=(lockstep_cuda_emulated_tests)
  cmake -S . -B "$dir" -G Ninja -DLOCKSTEP_NATIVE_TESTS=ON -DLOCKSTEP_WERROR=ON -DLOCKSTEP_SANITIZE="$sanitizer" \
    -DCMAKE_BUILD_TYPE="$([ -z "$sanitizer" ] && echo Release || echo RelWithDebInfo)" > /dev/null
  cmake --build "$dir" --target "${targets[@]}" > "$dir/build.log" || { cat "$dir/build.log"; exit 1; }
  for target in "${targets[@]}"; do programs+=("$dir/$target"); done
done
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
# shellcheck disable=SC2016
printf '%s\0' "${programs[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c '"$0" > "$0.log" 2>&1; echo $? > "$0.status"'
failed=0
for program in "${programs[@]}"; do
  echo "$program:"
  cat "$program.log"
  [ "$(cat "$program.status")" = 0 ] || failed=1
done
exit "$failed"
