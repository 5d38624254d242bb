#!/usr/bin/perl
# Sends the UDP payloads of a capture (pcapng of Ethernet, by a wire of netns.bash) once more; IPv4.
#   replay.pl FILE FROM TO ADDRESS PORT    those from FROM to TO, to ADDRESS; prints how many
# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(inet_aton);

my ($file, $from, $to, $address, $port) = @ARGV;
my $socket = IO::Socket::INET->new(Proto => 'udp', PeerAddr => $address, PeerPort => $port) or die "$address: $!\n";
my $ends = inet_aton($from) . inet_aton($to);
open my $in, '<:raw', $file or die "$file: $!\n";
my $size = -s $in; # what is sent here may be captured again
my $sent = 0;
while (tell($in) < $size && read($in, my $head, 8) == 8) {
  my ($type, $length) = unpack 'VV', $head;
  read($in, my $body, $length - 8) == $length - 8 or last; # it may be written to at its end
  next if $type != 6; # an Enhanced Packet Block
  my $frame = substr $body, 20, unpack('V', substr $body, 12, 4);
  next if length($frame) < 42 || substr($frame, 12, 2) ne "\x08\x00" || substr($frame, 23, 1) ne "\x11";
  next if substr($frame, 26, 8) ne $ends || (unpack 'C', substr $frame, 14, 1) != 0x45;
  my $udp = unpack 'n', substr $frame, 38, 2;
  $socket->send(substr $frame, 42, $udp - 8);
  select undef, undef, undef, 0.01 if ++$sent % 100 == 0;
}
print "$sent\n";
