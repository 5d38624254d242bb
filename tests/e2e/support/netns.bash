# shellcheck disable=SC2120
# Networks for the scripts: hosts that are network namespaces, cables, switches, wires that lose and delay, routers, NATs.
# To be sourced in place of lib.bash, which it brings along. A test draws its topology at its top.
#
#   hosts NAME…                          namespaces, with lo up
#   cable A:DEVICE B:DEVICE              two hosts by a veth pair, with the kernel's offloads: fast
#   switch NAME A:DEVICE B:DEVICE …      many by a bridge, also fast
#   wire NAME A:DEVICE B:DEVICE … [SETTING…]   two or more by a program that loses, delays, captures (impair.c has the settings;
#                                        the names of its ends are the hosts')
#   address HOST:DEVICE ADDRESS/LENGTH … up at once, without duplicate address detection
#   gateway HOST ADDRESS …               default routes, by family
#   router HOST                          forwards
#   nat NAME HOST INSIDE_DEVICE OUTSIDE_DEVICE INSIDE_PREFIX EXTERNAL [KIND] [SETTING…]
#                                        HOST translates IPv4 (nat.c has the settings); EXTERNAL is an address of the outside's
#                                        net that nobody has; KIND: full-cone, restricted-cone, port-restricted-cone (the
#                                        default) or symmetric. NAME is that of a device there, too
#   on HOST COMMAND…                     runs a command there
#   start_on NAME HOST COMMAND…          in the background: its id in $NAME, its output in NAME.out and NAME.err
#   wait_for SECONDS FILE TEXT           until the file has it
#   tell NAME ORDER…                     to a wire or a NAT; comes back when it has been obeyed
#   counter NAME FIELD [END]             of a wire or a NAT (END: the wire's)
#   renumber NAME ADDRESS                a NAT gets another external address: all its mappings are gone
#   unplug HOST:DEVICE…  plug HOST:DEVICE…   a device down and up: its addresses stay, the routes over it go
#
# The script runs in namespaces of its own for networks and mounts, as root of a user namespace where it has no rights
# otherwise. What it makes, and /run, is seen by nobody else, so that its names are always free; and it is gone when the
# last process of the script is, whatever ended that. Every process that it starts here dies with it.
# Without namespaces or /dev/net/tun it ends as skipped (77).
# shellcheck shell=bash

# shellcheck disable=SC2329  # used right below
netns_skip() {
  echo "skipped: $*"
  exit 77
}

[ -z "${netns_is_here:-}" ] || return 0 # sourced a second time
if [ -z "${NETNS_INSIDE:-}" ]; then
  for netns_tool in ip unshare nsenter setpriv; do
    command -v "$netns_tool" >/dev/null || netns_skip "there is no $netns_tool here"
  done
  { [ -c /dev/net/tun ] && : <>/dev/net/tun; } 2>/dev/null || netns_skip "/dev/net/tun cannot be opened here"
  for netns_how in "--mount --net" "--user --map-root-user --mount --net"; do
    # shellcheck disable=SC2086  # a list of words
    NETNS_INSIDE=1 unshare $netns_how true 2>/dev/null || continue
    export NETNS_INSIDE=1
    # shellcheck disable=SC2086
    exec unshare $netns_how -- "$BASH" "$0" "$@"
  done
  netns_skip "network namespaces cannot be made here"
fi
# Not for the script's own children: they may be tests, too.
unset NETNS_INSIDE
netns_is_here=1

# Another /run, in which the namespaces are, and whatever programs put there for each other.
netns_prepare() {
  mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/netns && ip netns add probe && ip netns del probe &&
    ip link set lo up
}
netns_problem=$(netns_prepare 2>&1) || netns_skip "no network namespaces here: $netns_problem"

# shellcheck source-path=SCRIPTDIR source=lib.bash
. "$(dirname "${BASH_SOURCE[0]}")/lib.bash"
unset netns_tool netns_how netns_problem

# ---- hosts -------------------------------------------------------------------------------------------------------

# The prefix of a command on a host. pdeathsig: whatever kills the script takes the command along.
declare -A netns_core=() # by host, the core that its commands have; the others have all
netns_prefix() {
  prefix=(setpriv --pdeathsig KILL nsenter "--net=/run/netns/$1" --)
  [ -z "${netns_core[$1]:-}" ] || prefix+=(taskset -c "${netns_core[$1]}")
}

# on HOST COMMAND…: a signal to the script is heard at once, and not only when the command is at its end.
on() {
  local prefix pid status=0
  netns_prefix "$1"
  shift
  "${prefix[@]}" "$@" <&0 &
  pid=$!
  pids+=("$pid")
  wait "$pid" || status=$?
  unset 'pids[-1]'
  return "$status"
}

start_on() { # NAME HOST COMMAND…
  local prefix name=$1
  netns_prefix "$2"
  shift 2
  : >"$name.out"
  start "$name" "${prefix[@]}" "$@" >"$name.out"
}

wait_for() { until_true "$1" grep -qF -- "$3" "$2" || die "'$3' is not in $2 after $1 s"; } # SECONDS FILE TEXT
ready() { wait_for 10 "$1.out" ready; }                                                     # NAME

set_kernel() { # HOST VALUE NAME…: settings below /proc/sys/net
  local host=$1 value=$2
  shift 2
  # shellcheck disable=SC2016  # for the shell on the host
  on "$host" sh -c 'value=$1; shift; for name; do echo "$value" >"/proc/sys/net/$name" || exit 1; done' sh "$value" "$@"
}

hosts() { # NAME…
  local host
  for host; do
    ip netns add "$host"
    ip -n "$host" link set lo up
    # As on a fresh machine, whatever this one's settings are; link-local addresses are good at once.
    set_kernel "$host" 0 ipv4/ip_forward ipv4/conf/{all,default}/rp_filter ipv6/conf/{all,default}/{accept_dad,accept_ra}
    set_kernel "$host" 1 ipv6/conf/{all,default}/keep_addr_on_down
  done
}

router() { set_kernel "$1" 1 ipv4/ip_forward ipv6/conf/{all,default}/forwarding; } # HOST

# ---- links -------------------------------------------------------------------------------------------------------

cable() { # A:DEVICE B:DEVICE
  ip link add "${1#*:}" netns "${1%%:*}" type veth peer name "${2#*:}" netns "${2%%:*}"
  plug "$@"
}

# Its ports are named after the hosts; multicast goes to all of them.
switch() { # NAME HOST:DEVICE…
  local name=$1 end port=0
  shift
  ip netns add "$name"
  ip -n "$name" link add switch type bridge stp_state 0 forward_delay 0 mcast_snooping 0
  for end; do
    cable "$end" "$name:port$((port += 1))"
    ip -n "$name" link set dev "port$port" master switch
  done
  plug "$name:switch"
}

# Programs that carry packets: NAME.out tells, NAME.orders is told.
start_carrier() { # NAME HOST PROGRAM ARGUMENT…; HOST empty: here
  local name=$1 host=$2 program=$TREEWIRE_BUILD/tests/e2e_$3
  shift 3
  rm -f "$name.orders" # of an earlier one
  mkfifo "$name.orders"
  if [ -n "$host" ]; then start_on "$name" "$host" "$program" control="$name.orders" "$@"
  else start "$name" setpriv --pdeathsig KILL "$program" control="$name.orders" "$@" >"$name.out"
  fi
  until_true 10 grep -q ready "$name.out" || { cat "$name.err"; die "$name does not begin"; }
}

wire() { # NAME HOST:DEVICE… [SETTING…]
  local name=$1 word ends=() plugs=() settings=() first=()
  shift
  for word; do
    case $word in
      capture=* | seed=*) first+=("$word") ;;
      *=*) settings+=("$word") ;;
      *) plugs+=("$word") ends+=("end=${word%%:*},/run/netns/${word%%:*},${word#*:}") ;;
    esac
  done
  start_carrier "$name" "" impair "${first[@]}" "${ends[@]}" "${settings[@]}"
  plug "${plugs[@]}"
}

set_devices() { # up|down HOST:DEVICE…
  local state=$1 end
  shift
  for end; do ip -n "${end%%:*}" link set dev "${end#*:}" "$state"; done
}
plug() { set_devices up "$@"; }     # HOST:DEVICE…
unplug() { set_devices down "$@"; } # HOST:DEVICE…

mtu_of() { ip -n "${1%%:*}" -o link show dev "${1#*:}" | sed -nE 's/.* mtu ([0-9]+) .*/\1/p'; } # HOST:DEVICE

address() { # HOST:DEVICE ADDRESS/LENGTH…
  local host=${1%%:*} device=${1#*:} one
  shift
  for one; do
    case $one in
      *:*) ip -n "$host" addr add "$one" dev "$device" nodad ;;
      *) ip -n "$host" addr add "$one" dev "$device" ;;
    esac
  done
}

gateway() { # HOST ADDRESS…
  local host=$1 one
  shift
  for one; do
    case $one in
      *:*) ip -n "$host" -6 route replace default via "$one" ;;
      *) ip -n "$host" route replace default via "$one" ;;
    esac
  done
}

# ---- NATs --------------------------------------------------------------------------------------------------------

# The names of RFC 3489, which RFC 4787 has taken apart.
nat_kind() {
  case $1 in
    full-cone) echo mapping=ei filtering=ei ;;
    restricted-cone) echo mapping=ei filtering=ad ;;
    port-restricted-cone) echo mapping=ei filtering=apd ;;
    symmetric) echo mapping=apd filtering=apd port=random ;;
    *) die "no kind of NAT: $1" ;;
  esac
}

# What comes from inside goes by the program, whatever its destination; so does what goes to the external address, for
# which the host answers on the outside's net.
nat() { # NAME HOST INSIDE_DEVICE OUTSIDE_DEVICE INSIDE_PREFIX EXTERNAL [KIND] [SETTING…]
  local name=$1 host=$2 inside=$3 outside=$4 prefix=$5 external=$6 kind=()
  shift 6
  if [[ ${1:-} != *=* ]]; then
    read -ra kind <<<"$(nat_kind "${1:-port-restricted-cone}")"
    shift $(($# > 0))
  fi
  router "$host"
  start_carrier "$name" "$host" nat device="$name" inside="$prefix" external="$external" "${kind[@]}" "$@"
  # What is too big for inside is refused here, where the sender still knows the packet.
  ip -n "$host" link set dev "$name" mtu "$(mtu_of "$host:$inside")"
  plug "$host:$name"
  ip -n "$host" rule add pref 100 iif "$inside" lookup 100
  ip -n "$host" route add default dev "$name" table 100
  ip -n "$host" route add "$external/32" dev "$name"
  # accept_local: its own ICMP errors come back translated.
  set_kernel "$host" 1 "ipv4/conf/$outside/proxy_arp" "ipv4/conf/$name/accept_local"
  set_kernel "$host" 0 "ipv4/neigh/$outside/proxy_delay"
  printf -v "netns_of_$name" '%s %s' "$host" "$external"
}

renumber() { # NAME ADDRESS
  local host external of=netns_of_$1
  read -r host external <<<"${!of}"
  ip -n "$host" route add "$2/32" dev "$1"
  tell "$1" external="$2"
  ip -n "$host" route del "$external/32" dev "$1"
  printf -v "netns_of_$1" '%s %s' "$host" "$2"
}

# ---- orders ------------------------------------------------------------------------------------------------------

answers() { [ "$(grep -cE '^(done|refused)' "$1.out")" -gt "$2" ]; } # NAME SO_FAR

tell() { # NAME ORDER…
  local name=$1 so_far
  shift
  so_far=$(grep -cE '^(done|refused)' "$name.out") || true
  echo "$*" >"$name.orders"
  until_true 10 answers "$name" "$so_far" || die "$name does not answer: $*"
  if [[ $(tail -n 1 "$name.out") = refused* ]]; then die "$name: $(tail -n 1 "$name.out")"; fi
}

counter() { # NAME FIELD [END]
  tell "$1" counters
  grep "^counters ${3:-}" "$1.out" | tail -n 1 | sed -nE "s/.* $2=([0-9]+).*/\1/p"
}
