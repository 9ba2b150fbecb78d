#!/usr/bin/env bash
# Runs everything that CI runs, in order of worth; the last line counts it all.
set -u
cd "$(dirname "$0")/.."
profile=${PROFILE:-ci}
passed=0 failed=0 skipped=0
started=$SECONDS
budget=${TEST_BUDGET_SECONDS:-4500}

tier() { # NAME COMMAND...: one check that passes or fails as a whole
    local name=$1 begin=$SECONDS
    shift
    if [ $((SECONDS - started)) -gt "$budget" ]; then
        echo "== $name: skipped, $((SECONDS - started)) s are gone"
        skipped=$((skipped + 1))
        return
    fi
    echo "== $name"
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    echo "== $name: $((SECONDS - begin)) s"
}

counted() { # NAME COMMAND...: a test runner, whose own counts are added
    local name=$1 begin=$SECONDS log
    shift
    if [ $((SECONDS - started)) -gt "$budget" ]; then
        echo "== $name: skipped, $((SECONDS - started)) s are gone"
        skipped=$((skipped + 1))
        return
    fi
    echo "== $name"
    log=$(mktemp)
    "$@" 2>&1 | tee "$log"
    local status=${PIPESTATUS[0]}
    # nextest: "Summary [ 1.2s] 9 tests run: 8 passed (1 slow), 1 failed, 0 skipped"; cargo test: "test result: ok. 8 passed; ..."
    local counts
    counts=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
        /Summary \[|^test result:/ {
            line = $0; gsub(/[;,]/, "", line); n = split(line, word, " ")
            for (i = 2; i <= n; i++) {
                if (word[i] == "passed") p += word[i-1]
                if (word[i] == "failed" || word[i] == "timed") f += word[i-1]
                if (word[i] == "skipped" || word[i] == "ignored") s += word[i-1]
            }
        } END { print p + 0, f + 0, s + 0 }')
    rm -f "$log"
    read -r p f s <<<"$counts"
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ "$status" -eq 0 ] && [ "$p" -eq 0 ]; then echo "no test ran"; f=1; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    echo "== $name: $((SECONDS - begin)) s"
}

runner() { # nextest where it is, cargo test elsewhere
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --cargo-profile "$profile" --locked --workspace
    else
        # What lives in real time gets the machine for itself, as .config/nextest.toml says.
        local alone="strowger-tests strowger-drills strowger-media-service strowger-host" status=0
        # shellcheck disable=SC2086
        cargo test --profile "$profile" --locked --no-fail-fast --workspace \
            $(printf -- '--exclude %s ' $alone) || status=1
        # shellcheck disable=SC2086
        cargo test --profile "$profile" --locked --no-fail-fast $(printf -- '-p %s ' $alone) \
            -- --test-threads=1 || status=1
        return $status
    fi
}

tier "format" cargo fmt --all --check
tier "tidy" cargo run --quiet --locked --profile "$profile" -p xtask -- tidy
tier "build" cargo build --workspace --all-targets --profile "$profile" --locked
counted "tests" runner
tier "lint" cargo clippy --workspace --all-targets --profile "$profile" --locked --quiet -- -D warnings

echo "$((SECONDS - started)) s in all"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
