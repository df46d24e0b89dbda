// The pack host program: holds one pack's isolate and nothing else. Its standard input and output are
// its runner's: pipes, or one connection.
import { serveGuest } from "./serve-guest.ts";

// A pack host must not outlive its runner. SIGKILL, because `process.exit` would wait for
// an isolate that may be in an endless loop.
process.stdin.on("end", () => process.kill(process.pid, "SIGKILL"));
process.stdin.on("error", () => process.kill(process.pid, "SIGKILL"));
serveGuest(process.stdin, process.stdout);
