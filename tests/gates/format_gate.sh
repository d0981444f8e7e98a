#!/bin/bash
# format_gate.sh - C as .clang-format has it, and what .editorconfig says of all text.
# "format_gate.sh --write" formats the C files instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tree() { git ls-files -z --cached --others --exclude-standard -- "$@"; }

if [ "${1:-}" = --write ]; then
    tree '*.c' '*.h' | xargs -0 clang-format -i
    exit
fi

status=0
while IFS= read -r -d '' file; do
    [ -f "$file" ] || continue
    if ! clang-format "$file" | cmp -s - "$file"; then
        line=$(clang-format "$file" | diff "$file" - | sed -n '1s/[^0-9].*//p' || true)
        echo "$file:$line: not as clang-format writes it (tests/gates/format_gate.sh --write)"
        status=1
    fi
done < <(tree '*.c' '*.h')

while IFS= read -r -d '' file; do
    [ -s "$file" ] || continue
    grep -Iq . "$file" || continue # not text
    if grep -nE '[[:space:]]+$' "$file" >/dev/null; then
        echo "$file:$(grep -nE -m1 '[[:space:]]+$' "$file" | cut -d: -f1): space at the line's end"
        status=1
    fi
    if [ -n "$(tail -c 1 "$file")" ]; then
        echo "$file: no newline at its end"
        status=1
    fi
done < <(tree ':!*.patch' ':!tests/fuzz/corpus')
exit "$status"
