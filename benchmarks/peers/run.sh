#!/bin/sh
# What ./dev peers does: makes float and int8 MobileNetV2 1.0 224 in every format, and runs them in every engine.
#
#   ./dev peers [--model MODEL] [--photos FOLDER] [--out FOLDER] [options of peers.py]
#
# MODEL is anything that `octavo` opens; FOLDER has photos for calibration and agreement. Without them: what lies in the
# folder OCTAVO_DATA, or else random weights and drawn pictures, which change times little and agreement much.
# Paths are relative to the caller's directory. The engines come from PyPI into a virtual environment in out/peers;
# PEERS_PYTHON names another Python that has them.
set -eu
caller=$(pwd)
cd "$(dirname -- "$0")/../.."

# absolute <path>: as the caller means it.
absolute() {
  case $1 in /*) echo "$1" ;; *) echo "$caller/$1" ;; esac
}
# A path where there is such a file or folder, else a word that `octavo` knows (mobilenet_v2).
model_path() {
  if [ -e "$(absolute "$1")" ]; then absolute "$1"; else echo "$1"; fi
}
quoted() {
  printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"
}
value_of() {
  [ $# -ge 2 ] || { echo "peers: $1 needs a value" >&2; exit 2; }
}

model=''
photos=''
out=out/peers
rest=''   # for peers.py, quoted
files=''  # the words that follow are paths
while [ $# -gt 0 ]; do
  case "$1" in
    --model) value_of "$@"; model=$(model_path "$2"); shift 2 ;;
    --model=*) model=$(model_path "${1#--model=}"); shift ;;
    --photos) value_of "$@"; photos=$(absolute "$2"); shift 2 ;;
    --photos=*) photos=$(absolute "${1#--photos=}"); shift ;;
    --out) value_of "$@"; out=$(absolute "$2"); shift 2 ;;
    --out=*) out=$(absolute "${1#--out=}"); shift ;;
    --tflite) files=1; rest="$rest --tflite"; shift ;;
    -*) files=''; rest="$rest $(quoted "$1")"; shift ;;
    *) if [ -n "$files" ]; then rest="$rest $(quoted "$(absolute "$1")")"; else rest="$rest $(quoted "$1")"; fi; shift ;;
  esac
done
eval "set -- $rest"
data=${OCTAVO_DATA:-}
if [ -z "$model" ] && [ -n "$data" ] && [ -d "$data/mobilenet_v2_imagenet_folded" ]; then
  model=$data/mobilenet_v2_imagenet_folded
fi
if [ -z "$photos" ] && [ -n "$data" ] && [ -d "$data/deepweeds/images" ]; then photos=$data/deepweeds/images; fi

mkdir -p "$out/models"
cmake --preset release -DOCTAVO_BUILD_EXAMPLES=ON -DOCTAVO_BUILD_TESTS=OFF -DOCTAVO_BUILD_BENCHMARKS=OFF >"$out/build.log" 2>&1 &&
  cmake --build build/release --target octavo_command >>"$out/build.log" 2>&1 || { cat "$out/build.log"; exit 1; }
octavo=build/release/examples/octavo

# The engines stay in out/peers, wherever the results go.
python=${PEERS_PYTHON:-out/peers/venv/bin/python}
if [ ! -x "$python" ]; then
  python3 -m venv out/peers/venv
  # One by one: an engine that has no package for this machine must not keep the others away.
  while read -r package; do
    "$python" -m pip install --quiet "$package" || echo "peers: no package $package; going on without it"
  done <benchmarks/peers/requirements.txt
  # Its Python half wants PyTorch; the program in it, which is all that is used here, wants nothing.
  "$python" -m pip install --quiet --no-deps pnnx || echo "peers: no package pnnx; going on without ncnn"
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
# ncnn reads what pnnx makes of an ONNX file: float.ncnn.param, float.ncnn.bin, and files that nobody needs.
pnnx=$("$python" -c 'import importlib.util as u; spec = u.find_spec("pnnx"); print(spec.submodule_search_locations[0] if spec else "")')/pnnx
if [ -x "$pnnx" ] && [ -e "$out/models/float.onnx" ]; then
  (cd "$out/models" && "$pnnx" float.onnx 'inputshape=[1,3,224,224]' fp16=0 >pnnx.log 2>&1) || echo "peers: pnnx: see $out/models/pnnx.log"
fi
"$python" benchmarks/peers/peers.py --models "$out/models" --octavo "$octavo" --photos "$photos" --out "$out/peers.json" "$@"
case $out in /*) ;; *) out=$(pwd)/$out ;; esac
echo
echo "$out/peers.json"
