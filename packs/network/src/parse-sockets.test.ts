import { expect, test } from "vitest";
import { parseSockets } from "./parse-sockets.ts";

const HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const line = (local: string, remote: string, state: string, queues = "00000000:00000000") =>
  `   0: ${local} ${remote} ${state} ${queues} 00:00000000 00000000   101        0 1 1 0 100 0 0 10 0\n`;

test.each([
  ["0100007F:1F90", "127.0.0.1", 8080],
  ["00000000:0016", "0.0.0.0", 22],
  ["00000000000000000000000000000000:0050", "::", 80],
  ["00000000000000000000000001000000:1538", "::1", 5432],
  ["0000000000000000FFFF00000200A8C0:01BB", "192.168.0.2", 443],
  ["B80D0120000000000000000001000000:0035", "2001:db8::1", 53],
  ["000080FE00000000FF23F5D7FE34A2C1:0001", "fe80::d7f5:23ff:c1a2:34fe", 1],
])("the address %s is %s", (hex, address, port) => {
  const [socket] = parseSockets(HEAD + line(hex, hex, "0A"));
  expect(socket).toMatchObject({ localAddress: address, localPort: port, userId: 101 });
});

test("states have the names of TCP, queues are bytes, and a line that was cut is skipped", () => {
  const text =
    HEAD +
    line("0100007F:0001", "0100007F:0002", "01", "0000000A:000000FF") +
    line("0100007F:0001", "0100007F:0002", "08").slice(0, 30);
  expect(parseSockets(text)).toEqual([
    {
      localAddress: "127.0.0.1",
      localPort: 1,
      remoteAddress: "127.0.0.1",
      remotePort: 2,
      state: "established",
      sendQueue: 10,
      receiveQueue: 255,
      userId: 101,
    },
  ]);
});
