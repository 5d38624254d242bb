#!/usr/bin/env bash
# label: slow
# Every cipher suite, from keys to a transfer with renewed keys; one listener serves two suites.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119,SC2094,SC2002
. "$(dirname "$0")/support/lib.bash"
serve echo
head -c 300000 /dev/urandom >sent
for suite in $("$TREEWIRE" suites | awk '{ print $2 }'); do
  keys "$suite"
  rm -f a.ev c.ev
  listener --forward "127.0.0.1:$target" --rekey-bytes 100000
  stdio_connect <sent >received
  cmp sent received || die "$suite"
  [ "$(field "$(events c.ev established)" suite)" = "$suite" ] || die "$suite: another one in the event"
  has_event c.ev rekeyed || die "$suite: no epoch but the first"
  finish listener
done

keys
mv a.key a2.key; mv b.key b2.key; mv a.pub a2.pub; mv peers peers2
keys MLS_256_DHKEMP521_AES256GCM_SHA512_P521
cat peers2 >>peers
rm -f a.ev
listener --key a2.key --forward "127.0.0.1:$target"
stdio_connect <sent | cmp - sent
"$TREEWIRE" connect --key b2.key --peer @a2.pub --stdio "127.0.0.1:$port" <sent | cmp - sent
finish listener
