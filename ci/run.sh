#!/usr/bin/env bash
# One run of ackproof in continuous integration: what the GitHub Action and the GitLab
# template beside this file do. Exit codes are ackproof's; a regression against BASELINE is 1.
#
#   SCENARIOS   suites, scenarios, files or folders, separated by spaces (delivery)
#   ARGS        more arguments of `ackproof run`
#   OUT         the run directory, which must not exist (ackproof-run)
#   BASELINE    a report.html, verdict.json or run directory to compare with, if there is one
#   ACKPROOF    the program (ackproof)
set -uo pipefail

scenarios=${SCENARIOS:-delivery}
out=${OUT:-ackproof-run}
program=${ACKPROOF:-ackproof}

if ! command -v "$program" > /dev/null; then
  echo "there is no $program on the PATH; see docs/start/ci.md" >&2
  exit 4
fi

# Both are lists of words.
# shellcheck disable=SC2086
"$program" run $scenarios --out "$out" ${ARGS:-}
code=$?

if [ -n "${BASELINE:-}" ] && [ -e "$BASELINE" ] && [ -e "$out/verdict.json" ]; then
  "$program" diff "$BASELINE" "$out" --format markdown > "$out/diff.md"
  compared=$?
  [ -n "${GITHUB_STEP_SUMMARY:-}" ] && cat "$out/diff.md" >> "$GITHUB_STEP_SUMMARY"
  # What the run itself says comes first.
  [ "$code" -eq 0 ] && code=$compared
fi

if [ -n "${GITHUB_OUTPUT:-}" ]; then
  { echo "exit-code=$code"; echo "out=$out"; } >> "$GITHUB_OUTPUT"
fi
exit "$code"
