#!/usr/bin/env bash
# Everything that needs a GPU, in one go of at most ten minutes: tests on the device, bits against the CPU, and what
# operations cost beside PyTorch and CuPy. Results and logs go to $OUT.
#
#     benchmarks/device.sh [--dry-run] [STAGE ...]      stages: machine tables kernels numba_cuda tests sanitizer (all by default)
#
# It runs from a checkout with the python3 that has CuPy; with --dry-run the tables walk through every row at tiny sizes
# on a machine without a GPU, with kernels built by g++.
set -uo pipefail
cd "$(dirname "$0")/.."
export OUT=${OUT:-benchmarks/results/device} PYTHONPATH=.:kernels PYTHONUNBUFFERED=1
export FASTLOA_CACHE_DIR=${FASTLOA_CACHE_DIR:-$OUT/../cubins}
python=${PYTHON:-python3} tests=${TESTS_SECONDS:-240}
mkdir -p "$OUT"

dry=() stages=()
for word in "$@"; do
  if [ "$word" = --dry-run ]; then dry=(--dry-run); else stages+=("$word"); fi
done
[ ${#stages[@]} -gt 0 ] || stages=(machine tables kernels numba_cuda tests sanitizer)

run_tests() {
  local log=$OUT/$1.log
  timeout -s INT "$2" "$python" -m pytest -q -p no:cacheprovider -p no:benchmark -n "$(nproc)" --dist load --no-header \
    -ra "${@:3}" >"$log" 2>&1
  echo "$1: exit status $?"
  grep -aE "^(FAILED|ERROR)" "$log" | cut -c1-200 | head -60
  tail -n 1 "$log"
}

for stage in "${stages[@]}"; do
  echo "== $stage"
  started=$SECONDS
  case $stage in
    kernels) run_tests kernels "$tests" --engine cupy --engine cuda tests/test_{device,cupy_native,cupy_rows}.py ;;
    numba_cuda) run_tests numba_cuda "$tests" tests/simulated ;;
    tests) run_tests tests "$tests" --engine cupy --engine cuda tests ;;
    sanitizer)
      if command -v compute-sanitizer >/dev/null; then
        timeout 120 compute-sanitizer --error-exitcode 9 "$python" -m benchmarks.device smoke >"$OUT/sanitizer.log" 2>&1
        echo "compute-sanitizer: exit status $?"
        tail -n 3 "$OUT/sanitizer.log"
      else
        echo "compute-sanitizer is not installed"
      fi ;;
    *) "$python" -m benchmarks.device "$stage" "${dry[@]}" ;;
  esac
  echo "== $stage took $((SECONDS - started)) s"
done
