#!/usr/bin/perl
# What a node and its relay say to each other by UDP, and is no packet, as a letter each; of a capture (pcapng of Ethernet,
# by a wire of netns.bash), IPv4.
#   letters.pl FILE NODE RELAY    k: keepalive, a: its answer, t: token or nonce, c: challenge, x: anything else
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use Socket qw(inet_aton);

my ($file, $node, $relay) = @ARGV;
my %out = (12 => 'k', 28 => 't');
my %in = (12 => 'a', 20 => 'c');
my ($up, $down) = (inet_aton($node) . inet_aton($relay), inet_aton($relay) . inet_aton($node));
open my $capture, '<:raw', $file or die "$file: $!\n";
while (read($capture, my $head, 8) == 8) {
  my ($type, $length) = unpack 'VV', $head;
  read($capture, my $body, $length - 8) == $length - 8 or last; # it may be written to at its end
  next if $type != 6; # an Enhanced Packet Block
  my $frame = substr $body, 20, unpack('V', substr $body, 12, 4);
  next if length($frame) < 42 || substr($frame, 12, 2) ne "\x08\x00" || substr($frame, 23, 1) ne "\x11";
  my $ends = substr $frame, 26, 8;
  my $size = unpack('n', substr $frame, 38, 2) - 8;
  my $payload = substr $frame, 42, $size;
  # A packet has its receiver, or its SPI, where these have 0.
  print $out{$size} // 'x' if $ends eq $up && substr($payload, 8, 4) eq "\0" x 4;
  print $in{$size} // 'x' if $ends eq $down && substr($payload, 0, 4) eq "\0" x 4;
}
print "\n";
