#!/usr/bin/env bash
# label: slow
# The shared library exports exactly the functions that the public headers mark TW_API, each with a version, and the
# static one defines no global name outside tw_.
set -euo pipefail
: "${TREEWIRE_SOURCE:?}" "${TREEWIRE_BUILD:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only "$TREEWIRE_BUILD/libtreewire.so" | awk '$2 != "A" {print $3}' | sort >"$work/versioned"
if grep -v '@@TREEWIRE_[0-9.]*$' "$work/versioned"; then
  echo "these are exported without a version"
  exit 1
fi
sed 's/@@.*//' "$work/versioned" >"$work/exported"

# Declarations, comments and preprocessor lines taken out: what stands after TW_API up to the parameter list.
cat "$TREEWIRE_SOURCE"/include/treewire/*.h | sed -e 's/\\$//' | grep -v '^ *# *' |
  perl -0777 -ne 's{/\*.*?\*/}{}gs; s{//[^\n]*}{}g; while (/\bTW_API\b[^;{]*?\b(tw_\w+)\s*(?:\(|\[|;)/g) { print "$1\n" }' |
  sort -u >"$work/declared"
if ! diff "$work/declared" "$work/exported" >"$work/diff"; then
  echo "declared TW_API and not exported (<), exported and not declared in include/treewire (>):"
  grep '^[<>]' "$work/diff"
  exit 1
fi

case $(readelf -d "$TREEWIRE_BUILD/libtreewire.so") in
  *asan* | *ubsan*) ;;
  *) nm -g --defined-only "$TREEWIRE_BUILD/libtreewire.a" 2>/dev/null | awk 'NF == 3 {print $3}' |
       grep -vE '^(tw_|__asan|__ubsan|__odr_asan|__sancov|__start|__stop)' >"$work/foreign" || true
     if [ -s "$work/foreign" ]; then
       echo "global names outside tw_ in libtreewire.a:"
       cat "$work/foreign"
       exit 1
     fi ;;
esac
echo "$(wc -l <"$work/exported") exported functions, all declared and versioned"
