#!/usr/bin/env bash
# Measures and compares the engines on this machine; README.md says how. usage: run.sh OUT [steps]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: run.sh OUT [steps]}"
out=$(cd "$1" && pwd)
shift
steps=("$@")
[ $# -gt 0 ] || steps=(machine batches single equality webgpu-equality webgpu-single cpu-single webgpu-batches peer)
work=${LOCKSTEP_WORK:-$here/work}
limit=${LOCKSTEP_LIMIT:-240}
python=${PYTHON:-python3}
exec > >(tee -a "$out/run.log") 2>&1
section() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

section "unpack"
if ! cmp -s "$here/id" "$work/id"; then
  rm -rf "$work"
  mkdir -p "$work"
  "$python" - "$here" "$work" <<'PYTHON' || exit 1
import concurrent.futures, lzma, os, shutil, sys, tarfile
pack, work = sys.argv[1:]
def unpack(name):
    with tarfile.open(os.path.join(pack, name), "r:xz") as archive:
        archive.extractall(work)
def node():
    with lzma.open(os.path.join(pack, "node.xz")) as source, open(os.path.join(work, "node"), "wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    os.chmod(os.path.join(work, "node"), 0o755)
with concurrent.futures.ThreadPoolExecutor() as pool:
    tasks = [pool.submit(node)] + [pool.submit(unpack, name) for name in os.listdir(pack) if name.endswith(".tar.xz")]
    for task in tasks:
        task.result()
PYTHON
  cp "$here/id" "$work/id"
fi

# The machine's own libraries come first; a driver's are where container runtimes put them.
for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib; do
  [ -d "$folder" ] && LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
done
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$work/lib
export XDG_DATA_DIRS=${XDG_DATA_DIRS:-/usr/local/share:/usr/share}:/usr/local/nvidia/share
app=$work/app/bench/device
tables=$work/tables
failed=0

# attempt SECONDS COMMAND: at most so long, and not beyond the end of all.
attempt() {
  local most=$1 left=$((limit - SECONDS)) code=0
  shift
  [ "$left" -gt 0 ] || { echo "not run: the $limit s of all steps are over"; failed=1; return; }
  timeout -k 5 $((most < left ? most : left)) "$@" || code=$?
  [ "$code" = 0 ] && return
  failed=1
  [ "$code" = 124 ] || [ "$code" = 137 ] && echo "not finished: its time was up" || echo "failed with exit code $code"
}
node() { attempt "$1" "$work/node" "$app/$2.js" --tables "$tables" --out "$out" "${@:3}"; }
batches() {
  local engine=$1 set stopping
  for stopping in 50 0; do
    for set in higgs_7k adult; do
      section "$engine: 500 models on $set, early stopping $stopping"
      node "$2" batches --engine "$engine" --set "$set" --early-stopping "$stopping"
    done
  done
}

for step in "${steps[@]}"; do
  case $step in
    machine)
      section "machine"
      nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory --format=csv
      grep -m1 'model name' /proc/cpuinfo
      nproc
      "$work/node" --version
      ;;
    batches) batches cuda 40 ;;
    single) section "cuda: one model"; node 30 single --engine cuda ;;
    equality) section "cpu and cuda"; node 90 engines --engines cpu,cuda --timeout 40 ;;
    webgpu-equality) section "cpu and webgpu"; node 90 engines --engines cpu,webgpu --keep --timeout 45 ;;
    webgpu-single) section "webgpu: one model"; node 45 single --engine webgpu ;;
    webgpu-core-single) section "webgpu without subgroups: one model"; node 45 single --engine webgpu-core ;;
    webgpu-batches) section "webgpu: 500 models on higgs_7k"; node 45 batches --engine webgpu ;;
    webgpu-why)
      section "what the Vulkan loader finds"
      VK_LOADER_DEBUG=all attempt 30 "$work/node" "$app/single.js" --tables "$tables" --out "$out" --engine webgpu \
        --synthetic synth:1000x4 --rounds 1 --repeats 1
      ;;
    cpu-single) section "cpu: one model"; node 45 single --engine cpu ;;
    cpu-batches) batches cpu 200 ;;
    native)
      section "native checks of the CUDA engine"
      attempt 150 "$work/native/lockstep_cuda_tests"
      section "native: ceilings, and one model on random codes"
      attempt 30 "$work/native/lockstep_cuda_ceilings"
      attempt 60 "$work/native/lockstep_bench" synthetic:1000000x28 20 6 "$(nproc)"
      attempt 60 "$work/native/lockstep_cuda_bench" synthetic:1000000x28 20 6 none 1 1 --kernels
      ;;
    peer)
      section "xgboost"
      for wheel in "$here"/xgboost*.whl; do
        [ -e "$wheel" ] || continue
        [ -d "$work/peer" ] || "$python" -m zipfile -e "$wheel" "$work/peer"
        PYTHONPATH=$work/peer${PYTHONPATH:+:$PYTHONPATH}
      done
      export PYTHONPATH=${PYTHONPATH:-}
      if ! "$python" -c 'import xgboost' 2> /dev/null; then
        echo "not run: xgboost cannot be imported"
        continue
      fi
      # What it trains on, if this call has not made it already.
      node 30 single --plan
      for set in higgs_7k adult; do node 30 batches --set "$set" --plan; done
      # shellcheck disable=SC2086
      attempt "${LOCKSTEP_PEER_SECONDS:-120}" "$python" "$work/peer.py" --tables "$tables" --out "$out" ${LOCKSTEP_PEER:-}
      ;;
    *) echo "there is no step $step"; failed=1 ;;
  esac
done
section "done"
exit "$failed"
