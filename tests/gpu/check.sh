#!/bin/bash
# All that only a GPU can settle: bash tests/gpu/check.sh OUT_DIR [--quick]
#
# For a machine with a GPU, the CUDA toolkit, CMake and a C++ compiler, where Python has NumPy, pytest, pybind11 and
# scikit-build-core; PyTorch takes part where it is installed. Needs no network. Takes up to 9 minutes, with --quick up
# to 3: each stage of stages.sh has its time, after which it is stopped. A failure does not stop the stages after it.
# OUT_DIR/check.json and OUT_DIR/summary.txt tell what was found, OUT_DIR/logs what each stage printed. Ends with 0
# where everything passed. OUT_DIR/build is used again by the next call.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out="" mode=full
for argument; do
  case $argument in
    --quick) mode=quick ;;
    -*) out="" && break ;;
    *) out=$argument ;;
  esac
done
[ -n "$out" ] || { echo "usage: bash tests/gpu/check.sh OUT_DIR [--quick]" >&2 && exit 2; }

stages=${NNCORE_GPU_STAGES:-$here/stages.sh} # another list of stages, for the test of this file
python=${PYTHON:-python3}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
rm -rf "$out/logs" "$out/parts" "$out/check.json" "$out/summary.txt"
mkdir "$out/logs" "$out/parts"
export OUT=$out MODE=$mode PYTHON=$python PYTHONUNBUFFERED=1

# One line of stages.tsv for each stage: its name, what became of it, the seconds it took and had.
note() { printf '%s\t%s\t%s\t%s\n' "$@" >>"$out/parts/stages.tsv"; }

lost="" # stages that did not pass
while read -r name seconds needs; do
  missing=""
  for need in $needs; do [[ " $lost " == *" $need "* ]] && missing=$need && break; done
  if [ -n "$missing" ]; then
    echo "== $name: not run, because $missing failed"
    note "$name" "not run: $missing failed" 0 "$seconds"
    lost="$lost $name"
    continue
  fi
  echo "== $name (up to $seconds s)"
  started=$SECONDS
  LIMIT=$seconds timeout --kill-after=3 "$seconds" bash "$stages" run "$name" >"$out/logs/$name.txt" 2>&1 </dev/null
  status=$?
  case $status in
    0) became=passed ;;
    77) became="left out: $(tail -n 1 "$out/logs/$name.txt")" ;;
    124 | 137) became="stopped: its time was over" ;;
    *) became="failed with status $status" ;;
  esac
  note "$name" "$became" $((SECONDS - started)) "$seconds"
  if [ $status -ne 0 ] && [ $status -ne 77 ]; then
    lost="$lost $name"
    echo "   $became:" && tail -n 3 "$out/logs/$name.txt" | sed 's/^/   /'
  fi
done < <(bash "$stages" list "$mode")

"$python" "$here/summary.py" "$out" "$mode"
