#!/usr/bin/env bash
# Builds, checks and times the CUDA engine on a machine with an NVIDIA GPU, CMake, ninja and nvcc, in under 8 minutes; neither
# Node nor a network is needed. usage: run.sh [folder for the log] [tables made by bench/native/export.ts ...]
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:-build/device}
[ $# -gt 0 ] && shift
mkdir -p "$out"
log=$out/device.log
exec > >(tee "$log") 2>&1
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step "machine"
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory --format=csv
nvcc --version | tail -1
grep -m1 'model name' /proc/cpuinfo; nproc

step "build"
dir=build/device-native
cmake -S . -B "$dir" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLOCKSTEP_NATIVE_TESTS=ON -DLOCKSTEP_NATIVE_BENCH=ON \
  -DLOCKSTEP_CUDA=ON -DLOCKSTEP_CUDA_ARCHITECTURES="${LOCKSTEP_CUDA_ARCHITECTURES:-90}" > /dev/null &&
  cmake --build "$dir" --target lockstep_cuda_tests lockstep_cuda_bench lockstep_cuda_ceilings lockstep_bench | tail -1 || exit 1

failed=0
step "ceilings"
timeout 30 "$dir/lockstep_cuda_ceilings"

step "checks: the CUDA engine against the CPU engine"
timeout 150 "$dir/lockstep_cuda_tests" || failed=1

step "equal hashes on a million rows"
table=synthetic:1000000x28
cpu=$(timeout 60 "$dir/lockstep_bench" "$table" 20 6 "$(nproc)" | tee /dev/stderr | grep -o 'hash [0-9a-f]*')
gpu=$(timeout 60 "$dir/lockstep_cuda_bench" "$table" 20 6 none 1 1 | tee /dev/stderr | grep -o 'hash [0-9a-f]*')
[ -n "$cpu" ] && [ "$cpu" = "$gpu" ] && echo "equal: $cpu" || { echo "NOT EQUAL: cpu $cpu, cuda $gpu"; failed=1; }

step "one model, 1,000,000 rows x 28, depth 6, 100 rounds"
timeout 60 "$dir/lockstep_cuda_bench" synthetic:1000000x28 100 6 none 1 1 --kernels
timeout 60 "$dir/lockstep_cuda_bench" synthetic:1000000x28 100 6 auc 1 1

step "batches, 7,000 rows x 28, depth 6, 100 rounds, 5 folds"
timeout 90 "$dir/lockstep_cuda_bench" synthetic:7000x28 100 6 none 5 1 8 64 512 --kernels
for table in "$@"; do
  step "batches, $table"
  timeout 90 "$dir/lockstep_cuda_bench" "$table" 100 6 auc 5 1 8 64 500
done

step "done"
exit "$failed"
