#!/usr/bin/env bash
# Everything that needs a GPU, in one go: tests on the device, which hold its bits against the CPU's, and what operations
# cost beside a copy, CuPy and PyTorch. Results and logs go to $OUT.
#
#     benchmarks/device.sh [--dry-run] [STAGE ...] [-- OPTION ...]
#
# Stages: machine, the tables launches, arrays, rows and bandwidth, the tests kernels, numba_cuda, public and families,
# and sanitizer; all by default, in about ten minutes. Options are those of `python -m benchmarks.device`. It runs from a
# checkout with the python3 that has CuPy; with --dry-run the tables walk through every row at tiny sizes on a machine
# without a GPU, with kernels built by g++.
set -uo pipefail
cd "$(dirname "$0")/.."
export OUT=${OUT:-benchmarks/results/gpu} PYTHONPATH=.:kernels PYTHONUNBUFFERED=1
python=${PYTHON:-python3} seconds=${TEST_SECONDS:-120}
mkdir -p "$OUT"

dry=() stages=() options=()
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry=(--dry-run) ;;
    --) shift; options=("$@"); break ;;
    *) stages+=("$1") ;;
  esac
  shift
done
[ ${#stages[@]} -gt 0 ] || stages=(machine launches arrays rows bandwidth kernels numba_cuda public families sanitizer)

# summarise NAME STATUS TEXT: what came of a stage goes to NAME.json.
summarise() {
  "$python" -c 'import json, sys; json.dump({"status": int(sys.argv[1]), "summary": sys.argv[2]}, sys.stdout)' \
    "$2" "$3" | tee "$OUT/$1.json"
  echo
}

# run_tests NAME ARGUMENT ...: what pytest says at the end goes to NAME.json.
run_tests() {
  local log=$OUT/$1.log status
  timeout -s INT "$seconds" "$python" -m pytest -q -p no:cacheprovider -p no:benchmark -n "$(nproc)" --dist load \
    --no-header -ra "${@:2}" >"$log" 2>&1
  status=$?
  grep -aE "^(FAILED|ERROR)" "$log" | cut -c1-200 | head -60
  summarise "$1" "$status" "$(grep -aE "passed|failed|error" "$log" | tail -n 1)"
}

on_device="--engine cupy --engine cuda"
for stage in "${stages[@]}"; do
  echo "== $stage"
  started=$SECONDS
  case $stage in
    kernels) run_tests kernels $on_device tests/test_{device,cupy_native,cupy_rows}.py \
      tests/test_many.py::test_gpu_{steps_have_the_bits_of_single_arrays,graphs_follow_the_gradients_they_were_recorded_with} ;;
    numba_cuda) run_tests numba_cuda tests/simulated ;;
    public) run_tests public $on_device tests/test_{values,folded,gated,row_losses}.py ;;
    families) run_tests families $on_device tests/test_{cupy_vectors,cupy_alignments,cupy_16_bits,vector_losses}.py \
      tests/test_{alignment_losses,class_margins,label_losses,joint_losses,score_maps,sparsemax,divergences}.py \
      tests/test_{contrastive_losses,prelu,random,gumbel,distances,factored,quasi_newton}.py ;;
    sanitizer)
      if command -v compute-sanitizer >/dev/null; then
        timeout "$seconds" compute-sanitizer --error-exitcode 9 "$python" -m benchmarks.device smoke >"$OUT/sanitizer.log" 2>&1
        summarise sanitizer $? "$(sed -n 's/^=* *ERROR SUMMARY: //p' "$OUT/sanitizer.log")"
      else
        echo "compute-sanitizer is not installed"
      fi ;;
    *) "$python" -m benchmarks.device "$stage" "${dry[@]}" "${options[@]}" ;;
  esac
  echo "== $stage took $((SECONDS - started)) s"
done
