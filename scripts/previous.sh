#!/usr/bin/env bash
# Builds the platform of another commit beside this one, and prints the program's path: scripts/previous.sh [COMMIT]
# Without COMMIT: the one before this. What both commits borrow is built once.
set -eu
cd "$(dirname "$0")/.."
profile=${PROFILE:-ci}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
commit=$(git rev-parse --verify --quiet "${1:-HEAD~1}^{commit}") ||
    { echo "previous: ${1:-HEAD~1} is no commit here (a shallow clone?)" >&2; exit 1; }
folder=$target/previous
tree=$folder/tree
program=$folder/strowger-$commit-$profile
if [ ! -x "$program" ]; then
    mkdir -p "$folder"
    git worktree prune
    [ ! -e "$tree" ] || git worktree remove --force "$tree"
    git worktree add --quiet --detach "$tree" "$commit"
    trap 'git worktree remove --force "$tree"' EXIT
    case $profile in
        test | dev) built=debug ;;
        *) built=$profile ;;
    esac
    (cd "$tree" && CARGO_BUILD_BUILD_DIR=$target CARGO_TARGET_DIR=$folder/target \
        cargo build -p strowger --profile "$profile" --locked >&2)
    rm -f "$folder"/strowger-*-"$profile"
    cp "$folder/target/$built/strowger" "$program"
fi
echo "$program"
