#!/usr/bin/env bash
# Plays the drill on every stage of several hosts, or, with --stage or --only among the arguments, on one alone.
set -u
cd "$(dirname "$0")/.."
profile=${PROFILE:-ci}
cargo build --profile "$profile" --locked -p strowger -p strowger-drills || exit 1
folder=${CARGO_TARGET_DIR:-target}/$([ "$profile" = dev ] && echo debug || echo "$profile")
PREVIOUS=$(PROFILE=$profile scripts/previous.sh)
export PREVIOUS
case " $* " in
    *" --stage"* | *" --only"*) exec "$folder/strowger-drills" "$@" ;;
esac
failed=()
for stage in hosts cells paths; do
    "$folder/strowger-drills" --stage "$stage" "$@" || failed+=("$stage")
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "drill: not all was met on: ${failed[*]}" >&2
    exit 1
fi
