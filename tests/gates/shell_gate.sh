#!/bin/bash
# shell_gate.sh - shellcheck over all shell scripts, at its severity "warning".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Scripts without a first line are read by others: their variables come from there or are meant for
# there, and it is there that "set -e" stands.
programs=() parts=()
while IFS= read -r -d '' file; do
    if [ "$(head -c 2 "$file")" = '#!' ]; then programs+=("$file"); else parts+=("$file"); fi
done < <(git ls-files -z --cached --others --exclude-standard -- '*.sh')

status=0
[ ${#programs[@]} = 0 ] || shellcheck -x --severity=warning "${programs[@]}" || status=1
[ ${#parts[@]} = 0 ] ||
    shellcheck -x --severity=warning --shell=bash --exclude=SC2034,SC2154,SC2164 "${parts[@]}" || status=1
exit "$status"
