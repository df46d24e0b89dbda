import type { ServerContext } from "@modelcontextprotocol/server";
import type { ToolPorts } from "./call-tool.ts";

const TELL_EVERY_MS = 1_000;

/**
 * Tells a client that asked for it (`progressToken`), each second of a call, how many of the
 * questions to servers were answered. Who did not ask gets none.
 *
 * @param work the call; it asks through the ports that it is given
 */
export async function tellProgress<Answer>(
  ports: ToolPorts,
  { mcpReq }: Pick<ServerContext, "mcpReq">,
  work: (ports: ToolPorts) => Promise<Answer>,
): Promise<Answer> {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined) return await work(ports);
  let [asked, answered, seconds] = [0, 0, 0];
  const counting: ToolPorts = {
    ...ports,
    links: {
      ...ports.links,
      async *deliver(targets, ...rest) {
        asked += targets.length;
        for await (const outcome of ports.links.deliver(targets, ...rest)) {
          answered += 1;
          yield outcome;
        }
      },
    },
  };
  const timer = setInterval(() => {
    seconds += 1;
    const message = `${answered} of ${asked} questions to servers answered`;
    const params = { progressToken, progress: seconds, message };
    mcpReq.notify({ method: "notifications/progress", params }).catch(ports.report);
  }, TELL_EVERY_MS);
  try {
    return await work(counting);
  } finally {
    clearInterval(timer);
  }
}
