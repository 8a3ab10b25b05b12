#!/bin/sh
# benchmarks/arm/run.sh: how many instructions the int8 kernels execute on 64-bit ARM, counted by qemu-user.
#   benchmarks/arm/run.sh [<alpha> <size>]                  a Markdown table for each kind of layer: 1.0 224
#   benchmarks/arm/run.sh <alpha> <size> <part of a name>   these layers one by one, with their mix of instructions
# Debian: gcc, g++-aarch64-linux-gnu, qemu-user. CXX, QEMU and BUILD (the folder for programs) may be set.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
build=${BUILD:-$here/../../build/arm}
qemu=${QEMU:-qemu-aarch64}
mkdir -p "$build"

cc -O2 -Wall -Wextra -shared -fPIC "$here/count_instructions.c" -o "$build/count_instructions.so"
"${CXX:-aarch64-linux-gnu-g++}" -std=c++20 -O2 -static -I "$here/../../include" "$here/layer_runs.cpp" -o "$build/layer_runs"

if [ $# -gt 2 ]; then
  exec "$qemu" -cpu max -plugin "$build/count_instructions.so,mix=on" "$build/layer_runs" "$1" "$2" "$3"
fi
"$qemu" -cpu max -plugin "$build/count_instructions.so" "$build/layer_runs" "${1:-1.0}" "${2:-224}" | awk '
  {
    kind = $2
    sub(/_[0-9].*/, "", kind)
    if (!($1 in level)) { level[$1] = 1; levels[++level_count] = $1 }
    if (!(kind in macs)) kinds[++kind_count] = kind
    if (level_count == 1) macs[kind] += $3 * $4
    all[$1, kind] += $3 * $5; products[$1, kind] += $3 * $6; memory[$1, kind] += $3 * $7
  }
  END {
    print "| layers | million multiply-adds | level | million instructions | per multiply-add | multiplying | memory |"
    print "|---|---|---|---|---|---|---|"
    for (k = 1; k <= kind_count; ++k)
      for (l = 1; l <= level_count; ++l) {
        kind = kinds[k]; n = macs[kind]; i = levels[l] SUBSEP kind
        printf "| %s | %s | %s | %.2f |", kind, n ? sprintf("%.1f", n / 1e6) : "-", levels[l], all[i] / 1e6
        if (n) printf " %.3f | %.3f | %.3f |\n", all[i] / n, products[i] / n, memory[i] / n
        else print " - | - | - |"
      }
  }'
