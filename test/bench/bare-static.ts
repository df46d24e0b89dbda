// Baseline for a download: node:http sends a file.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";

const [file = ""] = process.argv.slice(2);
const server = createServer((_request, response) => {
  response.writeHead(200, { "content-length": statSync(file).size });
  pipeline(createReadStream(file), response, () => undefined);
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
process.stdin.resume().on("end", () => process.exit(0));
