import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Holds each frame of two taps back, and writes it to the other one. */
const RELAY = `use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
  use constant { TUNSETIFF => 0x400454ca, IFF_TAP => 2, IFF_NO_PI => 0x1000 };
  my ($seconds, @names) = ($ARGV[0] / 1000, @ARGV[1, 2]);
  my @taps = map {
    open(my $tap, "+<", "/dev/net/tun") or die "/dev/net/tun: $!";
    ioctl($tap, TUNSETIFF, pack("a16 s x22", $_, IFF_TAP | IFF_NO_PI)) or die "$_: $!";
    $tap;
  } @names;
  $| = 1;
  print "ready\\n";
  my @held;
  while (1) {
    my $wait = @held ? $held[0][0] - clock_gettime(CLOCK_MONOTONIC) : undef;
    my $ready = "";
    vec($ready, fileno($_), 1) = 1 for @taps;
    select($ready, undef, undef, defined $wait && $wait < 0 ? 0 : $wait);
    my $now = clock_gettime(CLOCK_MONOTONIC);
    for my $from (0, 1) {
      next unless vec($ready, fileno($taps[$from]), 1);
      sysread($taps[$from], my $frame, 65536) or die "read: $!";
      push @held, [$now + $seconds, $taps[1 - $from], $frame];
    }
    while (@held && $held[0][0] <= $now) {
      my (undef, $to, $frame) = @{shift @held};
      syswrite($to, $frame);
    }
  }`;

export type SlowLinkOptions = {
  /** The network namespace with the bridge `lab`. */
  network: string;
  /** The host's end of its cable, outside of the host. */
  cable: string;
  /** Unique in the namespace, at most 11 characters. */
  name: string;
  /** For each packet, in each direction. */
  delayMs: number;
};

/**
 * Moves a host's cable from the bridge `lab` to one of its own, and carries each frame between the
 * two bridges late. So every packet is delayed, whatever its protocol, and none is lost or changed.
 * The kernels of small machines lack netem, which would do the same.
 *
 * @returns what ends it
 */
export async function startSlowLink(options: SlowLinkOptions): Promise<() => Promise<void>> {
  const { network, cable, name, delayMs } = options;
  const [bridge, near, far] = [`sb-${name}`, `sn-${name}`, `sf-${name}`];
  const ip = (...words: string[]) => run("ip", ["-n", network, ...words]);
  const relay = spawn(
    "nsenter",
    [
      ...[`--net=/run/netns/${network}`, "setpriv", "--pdeathsig", "KILL"],
      ...["perl", "-e", RELAY, String(delayMs), near, far],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const ended = once(relay, "close");
  let said = "";
  relay.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const isReady = await Promise.race([
    once(relay.stdout, "data").then(() => true),
    ended.then(() => false),
  ]);
  if (!isReady) throw new Error(`expected a relay between two taps, got: ${said}`);
  await ip("link", "add", bridge, "type", "bridge");
  for (const [tap, on] of [
    [near, bridge],
    [far, "lab"],
  ] as const) {
    await ip("link", "set", tap, "master", on, "up");
  }
  await ip("link", "set", bridge, "up");
  await ip("link", "set", cable, "master", bridge);

  return async () => {
    await ip("link", "set", cable, "master", "lab");
    // Its taps end with it.
    relay.kill("SIGKILL");
    await ended;
    await ip("link", "delete", bridge);
  };
}
