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

# Where OpenSSL was installed along, nothing that was installed looks for it where it was built: that place may be closed
# to whoever runs it. A package is made with DESTDIR, and found wherever it is put.
cmake_says() { sed -n "s/^$1:[A-Z]*=//p" "$TREEWIRE_BUILD/CMakeCache.txt"; } # VARIABLE
stands_alone() { # FOLDER FILE: its OpenSSL is the one in that folder
  local path=$1/$2 line
  while read -r line; do
    if [[ $line != \$ORIGIN* ]]; then echo "$path is looked for libraries in $line"; exit 1; fi
  done < <(readelf -d "$path" | sed -nE 's/.*R(UN)?PATH.*\[([^]:]*):*\]/\2/p')
  while read -r line; do
    if [[ $(realpath "$line") != "$(realpath "$1")"/* ]]; then echo "$path is loaded with $line"; exit 1; fi
  done < <(env -u LD_LIBRARY_PATH ldd "$path" | sed -nE 's/.*lib(crypto|ssl)\.so.* => (not found|[^ ]*).*/\2/p')
}
openssl_dir=$libdir/treewire
if [ "$(cmake_says TW_INSTALL_OPENSSL)" = ON ]; then
  DESTDIR=$work/package cmake --install "$TREEWIRE_BUILD" --prefix /opt/there >"$work/package.log" || { cat "$work/package.log"; exit 1; }
  mv "$work/package/opt/there" "$work/elsewhere"
  for place in "$prefix" "$work/elsewhere"; do
    part=$(realpath --relative-to="$prefix" "$libdir")
    stands_alone "$place" "$part/libtreewire.so"
    for file in "$place/$part"/treewire/lib*.so.*; do stands_alone "$place" "${file#"$place/"}"; done
    if [ -n "${TREEWIRE:-}" ]; then stands_alone "$place" bin/treewire; fi
  done
  if [ -n "${TREEWIRE:-}" ]; then says "the program of the package" "$work/elsewhere/bin/treewire" --version; fi
elif [ -e "$openssl_dir" ]; then
  echo "the system's OpenSSL was installed"
  exit 1
fi

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
