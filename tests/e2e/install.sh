#!/usr/bin/env bash
# label: slow
# What `cmake --install` puts down is enough: a program of somebody else's builds on it with pkg-config and with
# find_package, shared and static, and the installed treewire runs.
set -euo pipefail
: "${TREEWIRE_SOURCE:?}" "${TREEWIRE_BUILD:?}"
[ "${TREEWIRE_SANITIZE:-0}" = 0 ] || { echo "the sanitizer build is not for installing"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
consumer=$TREEWIRE_SOURCE/tests/e2e/consumer prefix=$work/prefix
version=$(sed -n 's/^project(treewire VERSION \([0-9.]*\).*/\1/p' "$TREEWIRE_SOURCE/CMakeLists.txt")

cmake --install "$TREEWIRE_BUILD" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }

says() { # WHAT PROGRAM ARGS...: it runs and names our version
  local what=$1 said
  shift
  said=$("$@") || { echo "$what: exit status $?"; exit 1; }
  [[ $said == *"$version"* ]] || { echo "$what: said '$said', not $version"; exit 1; }
  echo "$what: $said"
}

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name treewire.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir treewire)
[ "$(pkg-config --modversion treewire)" = "$version" ] || { echo "pkg-config has another version"; exit 1; }
[ "$libdir" -ef "$(dirname "$(find "$prefix" -name libtreewire.so)")" ] || { echo "pkg-config's libdir is $libdir"; exit 1; }

read -ra flags < <(pkg-config --cflags --libs treewire)
cc -std=c11 -Wall -Wextra -Wpedantic -Werror -o "$work/shared" "$consumer/main.c" "${flags[@]}" "-Wl,-rpath,$libdir"
says "pkg-config, shared" "$work/shared"

read -ra flags < <(pkg-config --static --cflags --libs treewire | sed "s|-ltreewire|$libdir/libtreewire.a|")
cc -std=c11 -Wall -Wextra -Wpedantic -Werror -o "$work/static" "$consumer/main.c" "${flags[@]}"
if [[ $(readelf -d "$work/static") = *libtreewire* ]]; then echo "the static one needs libtreewire.so"; exit 1; fi
says "pkg-config, static" "$work/static"

# Every public header stands alone, in C and in C++.
for header in "$prefix"/include/treewire/*.h; do
  name=treewire/$(basename "$header")
  printf '#include <%s>\nextern int not_empty;\n' "$name" | cc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$prefix/include" -x c -
  if command -v c++ >/dev/null; then
    printf '#include <%s>\n' "$name" | c++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only -I "$prefix/include" -x c++ -
  fi
done

for document in treewire/wireshark/treewire.lua treewire_crypto.lua treewire_mls.lua treewire.1 man5/treewire.conf.5 examples/network/a.conf README.md docs/protocols.md docs/security.md docs/library.md examples/two_party.c; do
  [ -n "$(find "$prefix/share" -path "*/$document")" ] || { echo "$document was not installed"; exit 1; }
done

# Units name the program by where it will be; systemd itself has a look at them where it is there.
if [ -n "${TREEWIRE:-}" ]; then
  for unit in treewire@.service treewire-relay.service; do
    grep -q "^ExecStart=.*/bin/treewire " "$prefix/lib/systemd/system/$unit" || { echo "$unit does not start the program"; exit 1; }
  done
  [ -f "$prefix/lib/sysusers.d/treewire-relay.conf" ] || { echo "nobody to run the relay"; exit 1; }
fi

cmake -S "$consumer" -B "$work/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
cmake --build "$work/consumer"
says "find_package, shared" "$work/consumer/consumer_shared"
says "find_package, static" "$work/consumer/consumer_static"

if [ -n "${TREEWIRE:-}" ]; then says "the program" "$prefix/bin/treewire" --version; fi
