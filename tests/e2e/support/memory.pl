#!/usr/bin/perl
# How often each pattern is in what a process can write to, by /proc/PID/mem, which takes root also where the process
# may not be traced or dumped by its own user.
#   memory.pl PID HEX…    prints a number for each; status 1: the memory cannot be read
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;

my ($pid, @patterns) = @ARGV;
@patterns = map { pack 'H*', $_ } @patterns;
my @counts = (0) x @patterns;
open my $maps, '<', "/proc/$pid/maps" or die "maps: $!\n";
open my $memory, '<:raw', "/proc/$pid/mem" or die "mem: $!\n";
my $read = 0;
while (<$maps>) {
  my ($begin, $end) = /^([0-9a-f]+)-([0-9a-f]+) .w/ or next;
  no warnings 'portable';
  ($begin, $end) = (hex $begin, hex $end);
  my $tail = '';
  for (my $at = $begin; $at < $end; $at += 1 << 20) {
    my $want = $end - $at < 1 << 20 ? $end - $at : 1 << 20;
    sysseek $memory, $at, 0 or last;
    my $got = sysread($memory, my $piece, $want);
    last if !$got; # what the kernel keeps for itself
    $read += $got;
    my $all = $tail . $piece;
    for my $i (0 .. $#patterns) {
      my $from = 0;
      while (($from = index($all, $patterns[$i], $from)) >= 0) { 
        $counts[$i]++ if $from + length($patterns[$i]) > length($tail); # else it was counted with the piece before
        $from++;
      }
    }
    $tail = length($all) > 64 ? substr($all, -64) : $all;
  }
}
die "nothing could be read\n" if $read == 0;
print "@counts\n";
