#!/usr/bin/env bash
# label: slow
# A state on a disk that is full, or read-only: `check` says so before, `up` says so and ends, and a node that runs names
# the disk and not a limit, and goes on when there is room again.
#
#   relay 203.0.113.10, anna .1, berta .2, carla .3 on one switch; anna's state is on a disk of 1 MiB
#
# shellcheck source-path=SCRIPTDIR source=support/network.bash disable=SC2119,SC2154,SC2016
. "$(dirname "$0")/support/network.bash"
on_hub
mkdir disk
mount -t tmpfs -o size=1m tmpfs disk 2>/dev/null || netns_skip "tmpfs cannot be mounted here"
let_go() { # with the status that there was
  local status=$?
  umount -l disk
  return "$status"
}
trap 'if let_go; then clean_up; else clean_up; fi' EXIT
fill() { dd if=/dev/zero of=disk/filler bs=4096 2>/dev/null || true; }
checks() { # STATUS [WORDS]: with these in its only line
  run "$1" anna check --quiet ./anna.conf
  [ $# = 1 ] || { one_line run.err; says run.err "$2"; }
}
ends() { # WORDS: of `up`, as its last ones
  run 2 anna up --foreground ./anna.conf
  says run.err "$1"
  if grep -q "a limit was exceeded" run.err; then die "a full disk is called a limit"; fi
}
for name in "${nodes[@]}"; do configure "$name"; done
sed -i 's|^State = .*|State = disk/anna|' anna.conf

# There is no state yet, and its folder is made in one that has no room.
checks 0
[ -z "$(ls -A disk)" ] || die "check has left something"
fill
checks 2 "disk: cannot be written to: no space left: the disk is full"
ends "no space left"
rm -r disk/*
mount -o remount,ro disk
checks 2 "disk: cannot be written to: Read-only file system"
ends "disk/anna: Read-only file system"
mount -o remount,rw disk

# A node that runs.
relay_up
for name in "${nodes[@]}"; do up "$name"; done
members "${nodes[@]}" 3
pings anna berta
checks 0
fill
checks 2 "disk/anna: cannot be written to: no space left: the disk is full"
for ((i = 0; i < 100; i++)); do
  on anna "$TREEWIRE" rekey ./anna.conf || die "no renewal is asked for"
  grep -q "state cannot be saved: .*disk/anna: no space left: the disk is full" anna.err && break
  sleep 0.1
done
says anna.err "disk/anna: no space left: the disk is full"
if grep "a limit was exceeded" anna.err; then die "a full disk is called a limit"; fi
rm disk/filler
run 0 anna rekey ./anna.conf
until_true 30 reaches anna berta || { show_status; die "anna does not go on"; }
checks 0

# And one that is to run again.
run 0 anna down ./anna.conf
expect 0 anna
fill
checks 2 "disk/anna: cannot be written to: no space left: the disk is full"
ends "disk/anna: no space left: the disk is full"
rm disk/filler
mount -o remount,ro disk
checks 2 "disk/anna: cannot be written to: Read-only file system"
ends "Read-only file system"
mount -o remount,rw disk
up anna
members "${nodes[@]}" 3
pings berta anna
echo "all of it holds"
