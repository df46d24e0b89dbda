// Entry of the process that `openGuestProcess` forks. It holds one guest.
import { createGuest, type Guest } from "@sonde/pack-sdk/runtime";
import type { GuestChildRequest } from "./open-guest-process.ts";

let guest: Promise<Guest> | undefined;

process.on("message", (request: GuestChildRequest) => {
  void answer(request);
});
process.on("disconnect", () => process.exit());

async function answer(request: GuestChildRequest): Promise<void> {
  if (request.op === "load") {
    guest = createGuest(request);
    return;
  }
  if (guest === undefined) throw new Error("expected a load request first");
  const { id, probe, input, timeoutMs } = request;
  const ready = await guest;
  const reply =
    probe === null ? await ready.describe(timeoutMs) : await ready.run(probe, input, timeoutMs);
  process.send?.({ id, reply });
}
