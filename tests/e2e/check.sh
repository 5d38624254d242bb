#!/usr/bin/env bash
# `treewire check`: a good configuration has a summary, a bad one all its problems with their places, and exit codes as
# documented. Nothing is listened to or connected to, and nothing that was written is left.
# shellcheck source-path=SCRIPTDIR source=support/lib.bash disable=SC2154,SC2119
. "$(dirname "$0")/support/lib.bash"
keys

checks() { # STATUS ARGUMENTS...: standard output in out, standard error in check.err
  local status=0 wanted=$1
  shift
  timeout 20 "$TREEWIRE" check "$@" </dev/null >out 2>check.err || status=$?
  [ "$status" = "$wanted" ] || die "treewire check $*: exit $status, not $wanted"
}
fails() { # STATUS WORDS ARGUMENTS...: with one line
  local wanted=$1 words=$2
  shift 2
  checks "$wanted" "$@"
  one_line check.err
  says check.err "$words"
  [ ! -s out ] || die "check $*: a summary all the same"
}

# The command line.
fails 1 "check needs a NAME or a FILE"
fails 1 "unknown option --frob" --frob
fails 1 "takes no value" --quiet=yes
fails 1 "one NAME or FILE at a time (found 'b')" a b
fails 1 "a configuration's file is called NAME.conf" ./a
fails 1 "'a%' cannot be an interface" a%
fails 1 "cannot be an interface" 1234567890123456
fails 1 "called NAME.conf" ./.conf
fails 2 "/etc/treewire/no-such-node.conf: No such file" no-such-node
fails 2 "./none.conf: No such file" ./none.conf
mkdir folder.conf
fails 2 "folder.conf: not a file" folder.conf

# A good one, and what is said of it.
me=$("$TREEWIRE" pubkey --fingerprint <a.key) other=$("$TREEWIRE" pubkey <b.key)
who="PublicKey = $me" # how this node stands among the peers; empty: it does not
allowed=10.7.0.2
identity="Identity = a.key"
conf() { # FILE [KEY=VALUE...]: those are further keys of [Interface]
  local file=$1
  shift
  { printf '[Interface]\nAddress = 10.7.0.1/24\nState = state\n%s\n' "$identity"
    [ $# = 0 ] || printf '%s\n' "$@"
    printf '[Relay]\nEndpoint = relay.example\nPublicKey = %s\n[Network]\nGroup = office\n' "$other"
    [ -z "$who" ] || printf '[Peer]\nName = me\n%s\nAllowedIPs = 10.7.0.1\n' "$who"
    printf '[Peer]\nName = b\nPublicKey = %s\nAllowedIPs = %s\n' "$other" "$allowed"; } >"$file"
}
conf net.conf
checks 0 net.conf
[ ! -s check.err ] || die "words about a good configuration"
for words in "net (net.conf)" "$me" "relay.example:9420" "office" "peers      1, and this node in the list" "b  10.7.0.2/32"; do
  says out "$words"
done
checks 0 --quiet "$work/net.conf"
[ ! -s out ] || die "not quiet"
[ ! -e state ] || die "check made the state's folder"

# CR LF and no line's end at the end of the file.
sed 's/$/\r/' net.conf | head -c -2 >crlf.conf
checks 0 crlf.conf

# The byte order marks of editors: UTF-8's is nothing, UTF-16 is one problem.
{ printf '\357\273\277'; cat net.conf; } >bom.conf
checks 0 bom.conf
for mark in '\0377\0376' '\0376\0377'; do
  { printf '%b' "$mark"; sed 's/./&\x00/g' net.conf; } >utf16.conf
  fails 2 "utf16.conf: is written in UTF-16: save it as UTF-8" utf16.conf
done

# Problems: all of them, each with its place, in the order of the file; then those of the other files.
{ echo "[Interface]"; echo "Address = 10.7.0.1/24"; echo "Identity = none.key"; echo "MTU = 1"; echo "Colour = red"
  echo "[Network]"; echo "Group = office"; echo "[Peer]"; echo "AllowedIPs = 10.0.0.1/24"; } >bad.conf
checks 2 bad.conf
cat >expected <<END
treewire: bad.conf:4: MTU: '1' is not a number from 1280 to 65520
treewire: bad.conf:5: unknown key Colour in [Interface]
treewire: bad.conf:9: AllowedIPs: '10.0.0.1/24' has bits behind its prefix; 10.0.0.0/24 is the prefix
treewire: none.key: No such file or directory
END
diff expected check.err || die "not those problems"
printf 'Group\0 = x\n' >nul.conf
fails 2 "nul.conf:1: a control character" nul.conf
printf 'x\n%.0s' {1..100} >many.conf
checks 2 many.conf
[ "$(wc -l <check.err)" = 51 ] || die "not fifty lines and one"
says check.err "many.conf: and 50 problems more"

# The files beside it.
chmod 640 a.key
fails 2 "a.key: its mode 0640" net.conf
chmod 600 a.key
(umask 077; echo rubbish >bad.key)
identity="Identity = bad.key" conf key.conf
fails 2 "bad.key: not a private key" key.conf
"$TREEWIRE" genkey --suite DHKEMX25519_AES128GCM_SHA256_Ed25519 >other.key
identity="Identity = other.key" conf suite.conf
checks 2 suite.conf
says check.err "other.key: a key of suite MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, and the network's is"
who='' allowed="10.7.0.2, 10.7.0.1/32" conf taken.conf
fails 2 "AllowedIPs: 10.7.0.1/32 is our own Address" taken.conf
mkdir -m 755 state
fails 2 "its mode 0755 lets others at the node's secrets" net.conf
chmod 700 state
checks 0 net.conf
rmdir state
: >state
fails 2 "state: State is not a folder" net.conf
rm state

# Certificates.
"$TREEWIRE" ca init ca --name CA >/dev/null
"$TREEWIRE" ca issue ca me.example >/dev/null
"$TREEWIRE" ca issue ca old.example --seconds 1 >/dev/null
"$TREEWIRE" ca init other --name Other >/dev/null
identity='' who="Certificate = me.example"
mine=(Certificate=me.example.pem CertificateKey=me.example.key)
conf cert.conf "${mine[@]}" CA=ca/ca.pem CRL=ca/crl.pem
checks 0 cert.conf
[ ! -s check.err ] || die "words about a good certificate"
says out "peers      1, and this node in the list"
conf cert.conf Certificate=me.example.pem CertificateKey=old.example.key CA=ca/ca.pem
fails 2 "another key than old.example.key" cert.conf
conf cert.conf "${mine[@]}" CA=none.pem
fails 2 "treewire: none.pem: No such file" cert.conf
conf cert.conf "${mine[@]}" CA=ca/ca.pem CRL=ca/ca.pem
fails 2 "ca/ca.pem: no CRL in it" cert.conf
conf cert.conf "${mine[@]}" CA=other/ca.pem
checks 0 cert.conf
says check.err "warning: me.example.pem: by CA it is not good"
# Its addresses: in the certificate, or in the list of peers, or there is a word.
"$TREEWIRE" ca issue ca right.example 10.7.0.1 fd00::1 >/dev/null
"$TREEWIRE" ca issue ca wrong.example 10.7.0.2 >/dev/null
words() { # WORDS, or none: what `check` of a certificate for NAME warns of, with more lines of [Interface]
  local wanted=$1 name=$2
  shift 2
  who="" conf cert.conf Certificate="$name.pem" CertificateKey="$name.key" CA=ca/ca.pem "$@"
  sed -i 's/^Group = office/&\nMembers = certified/' cert.conf
  [ -z "$listed" ] || printf '[Peer]\nCertificate = %s\nAllowedIPs = 10.7.0.0/30\n' "$name" >>cert.conf
  checks 0 cert.conf
  if [ -n "$wanted" ]; then says check.err "$wanted"; elif [ -s check.err ]; then die "words about a good address"; fi
}
listed='' allowed=10.7.0.3
words '' right.example
words '' right.example Address=fd00::1/64
words 'right.example.pem: our Address fd00::2 is not in our certificate' right.example Address=fd00::2/64
words 'warning: wrong.example.pem: our Address 10.7.0.1 is not in our certificate' wrong.example
words 'warning: me.example.pem: our Address 10.7.0.1 is not in our certificate' me.example
listed=yes words '' wrong.example
who=''
conf cert.conf Certificate=old.example.pem CertificateKey=old.example.key
has_expired() { [[ $(timeout 20 "$TREEWIRE" check cert.conf 2>&1 >out) = *"warning: old.example.pem: our certificate has expired"* ]]; }
until_true 20 has_expired || die "no word about a certificate that has expired"
