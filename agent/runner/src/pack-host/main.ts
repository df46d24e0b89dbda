// The pack host program: a runner's child that holds one pack's isolate and nothing else.
import { serveGuest } from "./serve-guest.ts";

// A pack host must not outlive its runner. SIGKILL, because `process.exit` would wait for
// an isolate that may be in an endless loop.
process.stdin.on("end", () => process.kill(process.pid, "SIGKILL"));
process.stdin.on("error", () => process.kill(process.pid, "SIGKILL"));
serveGuest(process.stdin, process.stdout);
