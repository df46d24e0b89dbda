import { DatabaseError } from "@sonde/database";
import { SondeError } from "@sonde/schemas/errors";
import { buildParser } from "@sonde/schemas/parse";
import { Type } from "typebox";
import { runService } from "../run-service.ts";

// A service without a listener, to test how services start and end.

const SampleConfig = Type.Object(
  {
    supervised: Type.Boolean(),
    /** What fails, and when. */
    fails: Type.Optional(
      Type.Enum(["start", "database", "stop", "never stops", "lost", "check", "slow"]),
    ),
    /** Taken over while it runs. It is said on standard output. */
    greeting: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);
const parseConfig = buildParser(SampleConfig, "sample configuration", "CONFIG_INVALID");

runService({
  what: "sample configuration",
  parseConfig,
  stopDeadlineMs: 2000,
  check({ fails }) {
    if (fails === "check") throw new SondeError("INSECURE_LISTENER", "expected TLS");
  },
  live: ["greeting"],
  async start({ fails }, { endFor }) {
    if (fails === "start") throw new SondeError("PORT_IN_USE", "port 1 is in use");
    if (fails === "database") throw new DatabaseError("the database cannot be reached");
    if (fails === "slow") {
      process.stderr.write('{"message":"starting"}\n');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const timer = setInterval(() => undefined, 1000);
    if (fails === "lost") setTimeout(() => endFor(new DatabaseError("the server ended")), 100);
    return {
      ready: { port: 4711 },
      reload({ greeting }) {
        process.stdout.write(`${JSON.stringify({ greeting })}\n`);
      },
      async stop() {
        if (fails === "stop") throw new Error("cannot stop");
        if (fails === "never stops") await new Promise(() => undefined);
        clearInterval(timer);
      },
    };
  },
});
