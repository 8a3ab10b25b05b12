#!/bin/sh
# What ./dev peers does: makes float and int8 MobileNetV2 1.0 224 in every format, and runs them in every engine.
#
#   ./dev peers [--model MODEL] [--photos FOLDER] [options of peers.py]
#
# MODEL is anything that `octavo` opens; FOLDER has photos for calibration and agreement. Without them: what lies in the
# folder OCTAVO_DATA, or else random weights and drawn pictures, which change times little and agreement much.
# The engines come from PyPI into a virtual environment in out/peers; PEERS_PYTHON names another Python that has them.
set -eu
cd "$(dirname -- "$0")/../.."

model=''
photos=''
while [ $# -gt 0 ]; do
  case "$1" in
    --model) model=$2; shift 2 ;;
    --photos) photos=$2; shift 2 ;;
    *) break ;;
  esac
done
data=${OCTAVO_DATA:-}
if [ -z "$model" ] && [ -n "$data" ] && [ -d "$data/mobilenet_v2_imagenet_folded" ]; then
  model=$data/mobilenet_v2_imagenet_folded
fi
if [ -z "$photos" ] && [ -n "$data" ] && [ -d "$data/deepweeds/images" ]; then photos=$data/deepweeds/images; fi

out=out/peers
mkdir -p "$out/models"
cmake --preset release -DOCTAVO_BUILD_EXAMPLES=ON -DOCTAVO_BUILD_TESTS=OFF -DOCTAVO_BUILD_BENCHMARKS=OFF >"$out/build.log" 2>&1 &&
  cmake --build build/release --target octavo_command >>"$out/build.log" 2>&1 || { cat "$out/build.log"; exit 1; }
octavo=build/release/examples/octavo

python=${PEERS_PYTHON:-$out/venv/bin/python}
if [ ! -x "$python" ]; then
  python3 -m venv "$out/venv"
  # One by one: an engine that has no package for this machine must not keep the others away.
  while read -r package; do
    "$python" -m pip install --quiet "$package" || echo "peers: no package $package; going on without it"
  done <benchmarks/peers/requirements.txt
fi

if [ -z "$photos" ]; then
  photos=$out/photos
  "$python" benchmarks/peers/draw_photos.py "$photos"
fi
"$octavo" import "${model:-mobilenet_v2}" --out "$out/models/float"
"$octavo" quantize "${model:-mobilenet_v2}" --calibration "$photos" --images 100 --out "$out/models/int8"
for name in float int8; do
  "$octavo" export "$out/models/$name" --out "$out/models/$name.onnx" --uint8-activations || echo "peers: no $name.onnx"
  "$octavo" export "$out/models/$name" --out "$out/models/$name.tflite" || echo "peers: no $name.tflite"
done
exec "$python" benchmarks/peers/peers.py --models "$out/models" --octavo "$octavo" --photos "$photos" --out "$out/peers.json" "$@"
