#!/bin/bash
# run.sh [FOLDER] - every gate, one line each. FOLDER is a build's (build/fast): with it its objects and
# its binary are looked at too, and nothing that needs them is left out.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

out=${1:-}
passed=0 failed=0

# gate NAME COMMAND...: what it prints is shown when it fails, or when it warns.
gate() {
    local name=$1 text word=ok
    shift
    if text=$("$@" 2>&1); then passed=$((passed + 1)); else failed=$((failed + 1)) word=FAILED; fi
    printf '%s %s gate\n' "$word" "$name"
    [ -z "$text" ] || printf '%s\n' "$text" | sed 's/^/    /'
}

# Headers of the parts that ours include, wherever the cache has them.
include=()
for folder in "${LIMPET_CACHE:-$HOME/.cache/limpet}"/build/{python,libmicrohttpd,mbedtls}-*/include; do
    [ ! -d "$folder" ] || include+=(--include "$folder")
done

gate self-test /usr/bin/python3 -B tests/gates/self_test.py
gate include /usr/bin/python3 -B tests/gates/include_gate.py "${include[@]}" ${out:+--strict}
gate size /usr/bin/python3 -B tests/gates/size_gate.py
gate exit /usr/bin/python3 -B tests/gates/exit_gate.py
gate clock /usr/bin/python3 -B tests/gates/clock_gate.py
gate words /usr/bin/python3 -B tests/gates/words_gate.py
gate option /usr/bin/python3 -B tests/gates/option_gate.py ${out:+--binary "$out/limpet"}
gate link tests/gates/link_gate.sh ${out:+"$out/obj"}
gate fuzz /usr/bin/python3 -B tests/gates/fuzz_gate.py
gate format tests/gates/format_gate.sh
gate shell tests/gates/shell_gate.sh

echo "gates: $passed passed, $failed failed"
[ "$failed" = 0 ]
