import { AGENT_CERTIFICATE_MS } from "@sonde/schemas/wire";
import { expect, test } from "vitest";
import { renewalDelayMs } from "./renewal-time.ts";

const HOUR_MS = 3_600_000;
const fleet = Array.from({ length: 1000 }, (_, index) => index / 1000);
/** How many of a fleet's renewals the busiest minute has. */
const busiest = (delays: number[]) => {
  const minutes = new Map<number, number>();
  for (const delay of delays) {
    const minute = Math.floor(delay / 60_000);
    minutes.set(minute, (minutes.get(minute) ?? 0) + 1);
  }
  return Math.max(...minutes.values());
};

test("identity rule 4: a new certificate lasts a day, and is renewed around half of it, at random", () => {
  expect(AGENT_CERTIFICATE_MS).toBe(24 * HOUR_MS);
  const delays = fleet.map((random) => renewalDelayMs(AGENT_CERTIFICATE_MS, random));
  expect(Math.min(...delays)).toBeCloseTo(0.4 * AGENT_CERTIFICATE_MS);
  expect(Math.max(...delays)).toBeLessThan(0.6 * AGENT_CERTIFICATE_MS);
  // A thousand agents that enrolled at once spread over five hours.
  expect(busiest(delays)).toBeLessThan(5);
});

test("identity rule 4: a fleet that is overdue after an outage does not renew at once", () => {
  const delays = fleet.map((random) => renewalDelayMs(5 * HOUR_MS, random));
  expect(busiest(delays)).toBeLessThan(150);
  expect(Math.max(...delays)).toBeLessThan(10 * 60_000);
});

test("an overdue renewal comes well before the certificate's end", () => {
  for (const leftMs of [60_000, 5_000, 100]) {
    for (const random of fleet) {
      expect(renewalDelayMs(leftMs, random)).toBeLessThanOrEqual(leftMs / 5);
    }
  }
  expect(renewalDelayMs(-5, 0.5)).toBe(0);
});
