#!/usr/bin/env bash
# Runs the benches, or those that are named: scripts/bench.sh [NAME ...]; then benches/RESULTS.md is made anew.
# What a bench takes as options stands in BENCH_OPTIONS, e.g. BENCH_OPTIONS='--seconds 2 --rounds 3'.
set -u
cd "$(dirname "$0")/.."
all=(sip-parse sip-register sip-call shards overload rtp sip-memory kill-signalling kill-media cost scale billing bindings)
if [ $# -gt 0 ]; then chosen=("$@"); else chosen=("${all[@]}"); fi
for name in "${chosen[@]}"; do
    case " ${all[*]} " in
        *" $name "*) ;;
        *) echo "bench: no bench is called $name; there are ${all[*]}" >&2; exit 2 ;;
    esac
done

target=${CARGO_TARGET_DIR:-target}
echo "bench: building for release"
cargo build --release --locked -p strowger -p strowger-benches || exit 1
failed=()
for name in "${chosen[@]}"; do
    echo "== $name"
    begin=$SECONDS
    # Each worker is killed on a platform of its own.
    case $name in
        kill-*) bench=(kill --only "${name#kill-}") ;;
        *) bench=("$name") ;;
    esac
    # None takes longer than a quarter of an hour, whatever the machine does besides.
    # shellcheck disable=SC2086
    timeout --kill-after=20 900 "$target/release/strowger-benches" --binary "$target/release/strowger" "${bench[@]}" \
        ${BENCH_OPTIONS:-} || failed+=("$name")
    echo "== $name: $((SECONDS - begin)) s"
done
cargo xtask results || failed+=(results)
"$target/release/strowger-benches" rows
if [ ${#failed[@]} -gt 0 ]; then
    echo "bench: failed: ${failed[*]}" >&2
    exit 1
fi
