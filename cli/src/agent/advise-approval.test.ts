import { expect, test } from "vitest";
import { adviseApproval } from "./advise-approval.ts";

test("an agent of a package is approved on its host by sonde-agent, the own one here by sonde agent", () => {
  const advise = (agent: string, own: string | undefined, data?: string) =>
    adviseApproval(agent, "acme/hello", own, data === undefined ? {} : { data });
  expect(advise("web-1", "here")).toBe("on web-1: sonde-agent approve acme/hello");
  expect(advise("web-1", undefined)).toBe("on web-1: sonde-agent approve acme/hello");
  expect(advise("here", "here")).toBe("sonde agent approve acme/hello");
  expect(advise("here", "here", "/srv/x")).toBe("sonde agent approve acme/hello --data /srv/x");
});
