#!/usr/bin/env bash
# Packs what measures and compares the engines into a folder, for a Linux x64 machine that has an NVIDIA driver and Python but
# neither Node, packages nor a network. Needs what `npm run build` needs, nvcc, xz, and apt-get for the Vulkan loader.
# usage: pack.sh FOLDER [--xgboost[=WHEEL]] [--architectures LIST]
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:?usage: pack.sh FOLDER [--xgboost[=WHEEL]] [--architectures LIST]}
shift
architectures=90-real
peer=
while [ $# -gt 0 ]; do
  case $1 in
    --xgboost) peer=download ;;
    --xgboost=*) peer=${1#*=} ;;
    --architectures) architectures=$2; shift ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
[ -z "$(ls -A "$folder" 2> /dev/null)" ] || { echo "$folder is not empty" >&2; exit 2; }
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
staged=$PWD/build/device-staged
rm -rf "$staged"
mkdir -p "$staged"/{native,lib,app/build/Release}

# Addons and native programs, both from the sources as they are.
compiler=${CUDACXX:-$(command -v nvcc || ls -d "$PWD"/build/nvcc/lib/python3*/site-packages/nvidia/cu13/bin/nvcc 2> /dev/null || true)}
[ -n "$compiler" ] || { echo "nvcc was not found: name it in CUDACXX, or get it by npm run test:nvcc" >&2; exit 1; }
native=build/device-pack
CUDACXX=$compiler node node_modules/cmake-js/bin/cmake-js configure --out "$native" -G Ninja --CDLOCKSTEP_CUDA=ON \
  --CDLOCKSTEP_CUDA_ARCHITECTURES="$architectures" --CDLOCKSTEP_NATIVE_TESTS=ON --CDLOCKSTEP_NATIVE_BENCH=ON > "$native.log" 2>&1 &&
  cmake --build "$native" --target lockstep_addon lockstep_cuda_addon lockstep_cuda_tests lockstep_cuda_bench lockstep_cuda_ceilings lockstep_bench \
    >> "$native.log" 2>&1 || { cat "$native.log" >&2; exit 1; }
strip -o "$staged/app/build/Release/lockstep.node" "$native/Release/lockstep.node"
strip -o "$staged/app/build/Release/lockstep_cuda.node" "$native/Release/lockstep_cuda.node"
for program in lockstep_cuda_tests lockstep_cuda_bench lockstep_cuda_ceilings lockstep_bench; do
  strip -o "$staged/native/$program" "$(find "$native" -maxdepth 2 -name "$program" -type f)"
done

# The programs, and the packages that they import.
node scripts/build.mjs
rm -rf build/device-app
node node_modules/typescript/bin/tsc -p bench/device/tsconfig.json
for part in bench src tests; do cp -r "build/device-app/$part" "$staged/app/"; done
cp -r shaders "$staged/app/"
echo '{ "type": "module" }' > "$staged/app/package.json"
mkdir "$staged/app/node_modules"
for package in zod piscina fast-check pure-rand webgpu; do
  (cd node_modules && find "$package" -type f \( -name '*.js' -o -name '*.cjs' -o -name '*.mjs' -o -name package.json -o -name LICENSE\* \) \
    -not -path '*/dist/*-*/*' -not -path "$package/src/*" -exec cp --parents {} "$staged/app/node_modules/" \;)
done
dawn=node_modules/webgpu/dist/linux-x64/dawn.node
mkdir -p "$staged/app/$(dirname "$dawn")"
strip -o "$staged/app/$dawn" "$dawn"

# The Vulkan loader and what NVIDIA's driver links to.
debs=build/device-debs
mkdir -p "$debs"
packages=(libvulkan1 libegl1 libglvnd0 libopengl0 libgl1 libglx0 libgles2 libx11-6 libxext6 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0)
[ "$(ls "$debs"/*.deb 2> /dev/null | wc -l)" -ge ${#packages[@]} ] ||
  (cd "$debs" && apt-get -q download "${packages[@]}" > /dev/null 2>&1) ||
  { echo "apt-get cannot download the Vulkan loader" >&2; exit 1; }
for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" "$debs/root"; done
find "$debs/root/usr/lib" -name '*.so.*' -exec cp -P {} "$staged/lib/" \;

npx --no-install tsx bench/device/tables.ts "$staged/tables"
cp bench/device/peer.py "$staged/"

# Node without its symbols; a filter for x86 code saves a tenth.
code=(--x86 --lzma2=preset=9e,dict=96MiB)
numbers=(--lzma2=preset=9e,lc=0,lp=2,pb=2)
tar=(tar --sort=name --owner=0 --group=0 --numeric-owner -C "$staged" -c)
runtime=build/device-node-$(node -p process.versions.node).xz
if [ ! -e "$runtime" ]; then
  strip -o "$staged/node" "$(node -p process.execPath)"
  xz -T1 "${code[@]}" -c "$staged/node" > "$runtime.part"
  mv "$runtime.part" "$runtime"
fi
cp "$runtime" "$folder/node.xz"
"${tar[@]}" native lib app/build "app/$dawn" | xz -T1 "${code[@]}" > "$folder/native.tar.xz"
"${tar[@]}" --exclude="app/$dawn" --exclude=app/build app peer.py | xz -T1 -9e > "$folder/app.tar.xz"
"${tar[@]}" tables | xz -T1 "${numbers[@]}" > "$folder/tables.tar.xz"
cp bench/device/pack-run.sh "$folder/run.sh"
cp bench/device/PACK.md "$folder/README.md"
sha256sum "$folder"/*.xz | sha256sum | cut -c1-16 > "$folder/id"
case $peer in
  '') ;;
  download) python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \
    --dest "$folder" xgboost==3.4.1 ;;
  *) cp "$peer" "$folder/" ;;
esac

# What was packed must run with nothing else around it.
trial=$(mktemp -d)
trap 'rm -rf "$trial"' EXIT
env -i PATH=/usr/bin:/bin LOCKSTEP_WORK="$trial/work" bash "$folder/run.sh" "$trial/out" machine > "$trial/log" 2>&1 ||
  { cat "$trial/log" >&2; exit 1; }
env -i PATH=/usr/bin:/bin "$trial/work/node" "$trial/work/app/bench/device/engines.js" --tables "$trial/work/tables" --out "$trial/out" \
  --engines cpu --sets titanic,diabetes,digits --synthetic none --rounds 2
du -ch "$folder"/* | sed "s|$folder/||"
