# What the scripts of private networks share: keys and configurations of three nodes and a relay, and what their status
# says. To be sourced in place of netns.bash, which it brings along.
#
#   inside                anna 10.7.0.1, berta 10.7.0.2, carla 10.7.0.3
#   outside               the relay 203.0.113.10, the nodes 203.0.113.1 and so on
#
#   on_hub [wire SETTING…]   keys, hosts and addresses of all, on the switch `hub`, or on a wire of this name
#   all_up [LINE_OF_NETWORK…]   configures the nodes, begins them and the relay, and waits until they are one network
#
#   make_keys             NAME.key and NAME.pub of the relay and all nodes, relay.peers
#   configure NAME [LINE_OF_NETWORK…]   NAME.conf: all have the same list of peers
#   addresses             outside, of all hosts' eth0
#   relay_up  up NAME     begin them; NAME.err has what they tell
#   members NAME… COUNT   waits until those are members of a network of so many
#   all_hear              waits until what any of them sends to all is for all of these members
#   status_field HOST EXPRESSION   of `treewire status --json` in $s, an expression of perl; peer("name") is one of them
#   rest                  an end of renewals by time: all have to come to agree
#   run STATUS HOST VERB…  the program's verb, which ends with that status; what it says is in out and run.err
#   stands NAME PATTERN   whether the text of its status, which is in NAME.status, has a line like that
#   reaches FROM TO [COUNT]  by ping; pings FROM TO [COUNT]: or the script fails
# shellcheck shell=bash disable=SC2154,SC2034,SC2119,SC2120
support=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=netns.bash
. "$support/netns.bash"
command -v busybox >/dev/null || netns_skip "there is no busybox here"
perl -MJSON::PP -e 1 2>/dev/null || netns_skip "there is no perl with JSON here"
nodes=(anna berta carla)
suite=MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519
threads=${TREEWIRE_TEST_THREADS:-} # for packets, of each node; empty: the default
export TREEWIRE_RUN=$work/run
mkdir -p run state
udp=$TREEWIRE_BUILD/tests/e2e_udp
declare -A number=([relay]=10 [anna]=1 [berta]=2 [carla]=3)

make_keys() {
  local name
  for name in relay "${nodes[@]}"; do
    (umask 077; "$TREEWIRE" genkey --suite "$suite" >"$name.key")
    "$TREEWIRE" pubkey <"$name.key" >"$name.pub"
  done
  for name in "${nodes[@]}"; do echo "$(cat "$name.pub") $name"; done >relay.peers
}

configure() { # NAME [LINE_OF_NETWORK…]
  local name=$1 other
  shift
  {
    printf '[Interface]\nAddress = 10.7.0.%s/24\nIdentity = %s.key\nState = state/%s\n' "${number[$name]}" "$name" "$name"
    [ -z "$threads" ] || printf 'PacketThreads = %s\n' "$threads"
    printf '[Relay]\nEndpoint = 203.0.113.10\nPublicKey = %s\n' "$(cat relay.pub)"
    printf '[Network]\nGroup = test\nSuite = %s\n' "$suite"
    [ $# = 0 ] || printf '%s\n' "$@"
    for other in "${nodes[@]}"; do
      printf '[Peer]\nName = %s\nPublicKey = %s\nAllowedIPs = 10.7.0.%s/32\n' "$other" "$(cat "$other.pub")" "${number[$other]}"
    done
  } >"$name.conf"
}

addresses() {
  local name
  for name in relay "${nodes[@]}"; do address "$name:eth0" "203.0.113.${number[$name]}/24"; done
}

relay_options=() # more of them
relay_up() { # a program that runs it, with its options: none
  : >relay.ev
  start_on relay relay "$@" "$TREEWIRE" relay --key relay.key --peers relay.peers --state state/relay --events relay.ev --verbose "${relay_options[@]}"
  wait_event relay.ev listening
}
up() { start_on "$1" "$1" "$TREEWIRE" up --foreground --verbose "./$1.conf"; } # NAME

on_hub() { # [wire SETTING…]
  make_keys
  hosts relay "${nodes[@]}"
  "${1:-switch}" hub relay:eth0 anna:eth0 berta:eth0 carla:eth0 "${@:2}"
  addresses
}

all_up() { # [LINE_OF_NETWORK…]
  local name
  relay_up
  for name in "${nodes[@]}"; do configure "$name" "$@"; up "$name"; done
  members "${nodes[@]}" ${#nodes[@]}
}

run() { # STATUS HOST VERB…
  local wanted=$1 host=$2 got=0
  shift 2
  on "$host" timeout 60 "$TREEWIRE" "$@" >out 2>run.err </dev/null || got=$?
  [ "$got" = "$wanted" ] || { cat out run.err; die "treewire $*: exit $got, not $wanted"; }
}
stands() { on "$1" "$TREEWIRE" status "./$1.conf" >"$1.status" 2>/dev/null && grep -qE -- "$2" "$1.status"; } # NAME PATTERN

# shellcheck disable=SC2016  # perl's
status_field() { # HOST EXPRESSION
  on "$1" "$TREEWIRE" status --json "./$1.conf" 2>/dev/null | perl -MJSON::PP -e '
    our $s = decode_json(join "", <STDIN>);
    sub peer { my ($name) = @_; (grep { $_->{name} eq $name } @{$s->{peers}})[0] }
    my $value = eval $ARGV[0]; die $@ if $@; print $value // "", "\n"' "$2"
}
holds() { [ "$(status_field "$1" "($2) ? 1 : 0")" = 1 ]; } # HOST EXPRESSION
show_status() {
  local name
  for name in "${nodes[@]}"; do on "$name" "$TREEWIRE" status "./$name.conf" || true; done
}

# all_hear: what any node sends to all is under the keys of an epoch in which all of them are. After `members`.
# shellcheck disable=SC2016  # perl's
all_hear() {
  local name epoch
  epoch=$(status_field "${nodes[0]}" '$s->{network}{epoch}')
  for name in "${nodes[@]}"; do
    until_true 10 holds "$name" "(\$s->{network}{sending_epoch} // -1) >= $epoch" ||
      { show_status; die "$name does not send to all under epoch $epoch"; }
  done
}

members() { # NAME… COUNT
  local name count=${*: -1}
  for name in "${@:1:$#-1}"; do
    until_true 30 holds "$name" "\$s->{network}{state} eq 'member' && \$s->{network}{members} == $count" ||
      { show_status; die "$name is no member of a network of $count"; }
  done
}

reaches() { on "$1" busybox ping -c "${3:-1}" -i 0.2 -W 2 "10.7.0.${number[$2]}" >ping.out 2>&1; }
pings() { # FROM TO [COUNT]
  reaches "$@" || { cat ping.out; show_status; die "$1 does not reach $2"; }
}

# flow_of NAME FIELD: what a `udp count` that writes to NAME.out saw
flow_of() { sed -nE "s/.*\\b$2=([0-9]+).*/\1/p" "$1.out" | tail -n 1; }

# Both sides of each pair, and all members of the group, are in the same epoch, and nothing is under way: $epochs says which
# shellcheck disable=SC2016  # perl's
agree() {
  local name
  for name in "${nodes[@]}"; do on "$name" "$TREEWIRE" status --json "./$name.conf" >"$name.json" 2>/dev/null || return 1; done
  epochs=$(cd "$work" && perl -MJSON::PP -e '
    my %of = map { my $name = $_; open my $in, "<", "$name.json" or die; ($name, decode_json(join "", <$in>)) } @ARGV;
    my $network = $of{$ARGV[0]}{network}{epoch};
    my $said = "network $network";
    for my $name (@ARGV) {
      my $s = $of{$name};
      exit 1 if $s->{network}{state} ne "member" || $s->{network}{epoch} != $network || $s->{network}{committing};
      for my $peer (@{$s->{peers}}) {
        my ($back) = grep { $_->{name} eq $name } @{($of{$peer->{name}} or next)->{peers}};
        my ($one, $other) = map { $_->{pair} } $peer, $back;
        exit 1 if $one->{state} ne "steady" || $one->{unsent} || $one->{epoch} != $other->{epoch};
        $said .= ", $name and $peer->{name} $one->{epoch}" if $name lt $peer->{name};
      }
    }
    print $said' "${nodes[@]}")
}

# rest: keys are not renewed by time any more, so that all comes to an end; then they have to agree. What each has is in $epochs
rest() {
  local name
  for name in "${nodes[@]}"; do
    sed -i 's/^RekeyAfter = .*/RekeyAfter = 3600/' "$name.conf"
    on "$name" "$TREEWIRE" sync "./$name.conf" >sync.out 2>&1 || { cat sync.out; die "$name does not take another RekeyAfter"; }
  done
  until_true 60 agree || { show_status; die "they do not agree"; } # what was lost is asked for after 10 s, then after 20
}

# meet: each two have exchanged a packet
meet() {
  local name other
  for name in "${nodes[@]}"; do
    for other in "${nodes[@]}"; do
      [[ $name < $other ]] || continue
      until_true 10 reaches "$name" "$other" || pings "$name" "$other"
    done
  done
}
