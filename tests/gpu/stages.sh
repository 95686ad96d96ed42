#!/bin/bash
# The stages of check.sh. `stages.sh list full|quick` prints a line for each: its name, its seconds, and the stages that
# it needs. `stages.sh run NAME` runs one, with $OUT (the folder of the results), $MODE, $LIMIT (its seconds) and
# $PYTHON. A stage may leave parts/NAME.json there; its entry "lines" is shown in the summary. Status 77: left out.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export PATH="$PATH:/usr/local/cuda/bin"

list() {
  local full quick name rest
  while read -r name full quick rest; do
    if [ "$1" = quick ]; then echo "$name $quick $rest"; else echo "$name $full $rest"; fi
  done <<'STAGES'
machine 12 8
build 140 68 machine
primitives 40 25 machine
suite 90 19 machine build
peer 40 9 machine build
memcheck 30 9 machine build
racecheck 30 9 machine build
synccheck 24 7 machine build
initcheck 24 7 machine build
bench 70 8 machine build
yardsticks 28 5 machine
STAGES
}

use_the_build() { export PYTHONPATH=$OUT/python:$root; }

capability() { nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1; }

workers() { # pytest's, where it can have several
  "$PYTHON" -c 'import os, xdist; print("-n", min(8, len(os.sched_getaffinity(0))))' 2>/dev/null || true
}

run_tests() { # run_tests NAME PYTEST-ARGUMENTS...: stopped in time to tell what it found
  local name=$1
  shift
  use_the_build
  cd "$root"
  PYTHONPATH=$PYTHONPATH:$here timeout --signal=INT $((LIMIT - 4)) "$PYTHON" -m pytest -p no:cacheprovider \
    -p outcomes --outcomes "$OUT/parts/$name.json" --device cuda $(workers) "$@"
}

sanitize() { # sanitize TOOL OPTIONS...: on small calls of every operation, as many as the time allows
  local tool=$1
  shift
  use_the_build
  cd "$root"
  compute-sanitizer --tool "$tool" --error-exitcode 9 --print-limit 50 "$@" \
    "$PYTHON" "$here/small_cases.py" --seconds $((LIMIT * 6 / 10)) --json "$OUT/parts/$tool.json"
}

stage_machine() {
  command -v nvidia-smi >/dev/null || { echo "there is no GPU here: nvidia-smi is missing" && return 1; }
  nvidia-smi -L | grep . || { echo "there is no GPU here: nvidia-smi finds none" && return 1; }
  command -v nvcc >/dev/null || { echo "nvcc is missing: this needs the CUDA toolkit" && return 1; }
  "$PYTHON" "$here/machine.py" "$OUT/parts/machine.json"
}

stage_build() { # for this GPU alone; the next check builds what has changed
  local code generator=() keep_going=-k
  code=$(capability)
  [ "$code" = 9.0 ] && code=9.0a
  command -v ninja >/dev/null && generator=(-G Ninja) keep_going="-k 0"
  mkdir -p "$OUT/python" && cp -r "$root/python/nncore" "$OUT/python/"
  rm -f "$OUT"/python/nncore/_c*.so
  cmake -S "$root" -B "$OUT/build" "${generator[@]}" -DSKBUILD_PROJECT_VERSION=0 -DSKBUILD_PROJECT_VERSION_FULL=0 \
    -DNNCORE_CUDA=ON "-DNNCORE_CUDA_ARCHITECTURES=$code" -DNNCORE_WERROR=ON -DNNCORE_UNITY=ON \
    -DNNCORE_AVX512=$([ "$MODE" = quick ] && echo OFF || echo ON) -DPython_EXECUTABLE="$(command -v "$PYTHON")" \
    -Dpybind11_DIR="$("$PYTHON" -m pybind11 --cmakedir)" -DCMAKE_LIBRARY_OUTPUT_DIRECTORY="$OUT/built"
  cmake --build "$OUT/build" -j "$(nproc)" -- $keep_going # so that all is told that does not compile
  cp "$OUT"/built/*.so "$OUT/python/nncore/"
  use_the_build
  "$PYTHON" -m nncore info
  "$PYTHON" -c 'import nncore as nc; assert nc.cuda.is_available(), nc.cuda.unavailable_reason()'
}

stage_primitives() { "$PYTHON" "$here/primitives.py" "$OUT/primitives" "$(capability)"; }

stage_suite() {
  if [ "$MODE" = quick ]; then
    run_tests suite tests/test_ops.py tests/cuda -k "forward or cuda"
  else
    run_tests suite tests/test_ops.py tests/cuda
  fi
}

stage_peer() {
  "$PYTHON" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null ||
    { echo "there is no PyTorch with a GPU" && return 77; }
  if [ "$MODE" = quick ]; then
    run_tests peer tests/peer/test_functions.py
  else
    run_tests peer tests/peer/test_functions.py tests/peer/test_calls.py tests/cuda/test_sharing.py
  fi
}

stage_memcheck() { sanitize memcheck; }
stage_racecheck() { sanitize racecheck --racecheck-report all; }
stage_synccheck() { sanitize synccheck; }
stage_initcheck() { sanitize initcheck; }

stage_bench() {
  use_the_build
  cd "$root"
  "$PYTHON" -m bench --devices cpu,cuda $([ "$MODE" = quick ] && echo --quick) --seconds $((LIMIT - 4)) \
    --json "$OUT/parts/bench.json"
}

stage_yardsticks() {
  "$PYTHON" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null ||
    { echo "there is no PyTorch with a GPU" && return 77; }
  "$PYTHON" "$here/yardsticks.py" --seconds $((LIMIT - 4)) --json "$OUT/parts/yardsticks.json"
}

case $1 in
  list) list "$2" ;;
  run) "stage_$2" ;;
esac
