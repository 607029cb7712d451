#!/usr/bin/env bash
# Compiles the CUDA engine, its tests and its benchmark with nvcc, which needs no GPU; nvcc comes from PyPI where none is
# installed. usage: nvcc.sh [architectures, as in CMAKE_CUDA_ARCHITECTURES; default 90]
set -euo pipefail
cd "$(dirname "$0")/../.."
compiler=${CUDACXX:-$(command -v nvcc || true)}
if [ -z "$compiler" ]; then
  venv=build/nvcc
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet nvidia-cuda-nvcc==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cuda-crt==13.0.88 \
    nvidia-nvvm==13.0.88 nvidia-cuda-cccl==13.0.85
  toolkit=$(echo "$PWD/$venv"/lib/python3*/site-packages/nvidia/cu13)
  [ -e "$toolkit/lib64" ] || ln -s lib "$toolkit/lib64"
  compiler=$toolkit/bin/nvcc
fi
dir=build/native-tests-cuda
CUDACXX=$compiler cmake -S . -B "$dir" -G Ninja -DLOCKSTEP_NATIVE_TESTS=ON -DLOCKSTEP_NATIVE_BENCH=ON \
  -DLOCKSTEP_WERROR=ON -DLOCKSTEP_CUDA=ON -DLOCKSTEP_CUDA_ARCHITECTURES="${1:-90}" > /dev/null
cmake --build "$dir" --target lockstep_cuda_tests lockstep_cuda_bench lockstep_cuda_ceilings > "$dir/build.log" || { cat "$dir/build.log"; exit 1; }
echo "nvcc: $("$compiler" --version | tail -1)"
