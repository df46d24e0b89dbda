import { toSondeError } from "@sonde/schemas/errors";
import {
  codeIsOver,
  type DeviceCode,
  type Place,
  pollDeviceCode,
  requestDeviceCode,
} from "./oauth.ts";
import type { Token } from "./profiles.ts";

/** RFC 8628, 3.5: so much longer is waited from then on. */
const SLOWER_SECONDS = 5;
/** No longer than this, however often the hub is away. */
const SLOWEST_SECONDS = 60;

/**
 * Signs this terminal in: a person types its code into a page of the hub, in whatever browser they
 * have, and says what the terminal may do.
 *
 * @param ports.show is told the code once
 * @param ports.wait resolves after so many ms
 * @throws SondeError FORBIDDEN when the person refused; UNAUTHENTICATED when nobody typed the code in
 *   time; HUB_UNREACHABLE when the hub cannot be asked for a code
 */
export async function signInByCode(
  place: Place,
  ports: { show: (code: DeviceCode) => void; wait: (ms: number) => Promise<void>; now: () => Date },
): Promise<Token> {
  const { show, wait, now } = ports;
  const code = await requestDeviceCode(place);
  show(code);
  const until = now().getTime() + code.expiresInSeconds * 1000;
  let seconds = code.intervalSeconds;
  for (;;) {
    await wait(seconds * 1000);
    if (now().getTime() >= until) throw codeIsOver(place);
    try {
      const answer = await pollDeviceCode(place, code.deviceCode, now);
      if (typeof answer !== "string") return answer;
      if (answer === "slow down") seconds += SLOWER_SECONDS;
    } catch (thrown) {
      // A hub that restarts still knows the code.
      if (toSondeError(thrown).code !== "HUB_UNREACHABLE") throw thrown;
      seconds = Math.min(seconds * 2, SLOWEST_SECONDS);
    }
  }
}
