import { SondeError } from "@sonde/schemas/errors";
import type { Sql } from "postgres";
import type { HeldRate } from "../core/authorize.ts";

/** Counts calls towards the rates of policies. */
export type CallRates = {
  /**
   * Counts one call. Hubs of one database count together: each takes from the same row, by the
   * database's clock.
   *
   * @throws SondeError RATE_LIMITED when one of the rates is used up
   */
  take(rates: readonly HeldRate[]): Promise<void>;
  /** Forgets rows that would be full by now, whatever their rate. */
  expire(): Promise<void>;
};

export function createCallRates(sql: Sql): CallRates {
  return {
    async take(rates) {
      for (const { holder, rate, rule } of rates) {
        const counted = `${holder} ${rule.policy}`;
        const perSecond = rate.perMinute / 60;
        // A token bucket in one statement. A clock that went back adds nothing.
        const now = sql`least(${rate.burst}::float8, r.left_over + ${perSecond}::float8
          * greatest(0, extract(epoch from clock_timestamp() - r.at)::float8))`;
        const taken = await sql`
          insert into call_rates as r (counted, left_over, at)
          values (${counted}, ${rate.burst - 1}, clock_timestamp())
          on conflict (counted) do update set left_over = ${now} - 1, at = clock_timestamp()
          where ${now} >= 1 returning 1`;
        if (taken.length === 1) continue;
        const seconds = Math.ceil(60 / rate.perMinute);
        throw new SondeError(
          "RATE_LIMITED",
          `expected at most ${rate.perMinute} calls a minute and ${rate.burst} at once, got more; the next is possible within ${seconds} s (${rule.policy}: ${rule.line})`,
        );
      }
    },
    async expire() {
      // The slowest rate fills the largest burst in 42 days.
      await sql`delete from call_rates where at < now() - interval '42 days'`;
    },
  };
}
