// Replaces a pack host, as if pack code had taken over its process, and tries everything that the
// walls should prevent. targets.json beside it lists the targets. Its answer to every call is the
// list of what worked.
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

const CONNECT_MS = 1500;

function works(act) {
  try {
    return act() !== false;
  } catch {
    return false;
  }
}

function reaches(target) {
  return new Promise((resolve) => {
    try {
      const socket = connect(target);
      socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
      setTimeout(() => resolve(false), CONNECT_MS).unref();
    } catch {
      resolve(false);
    }
  });
}

/** Node opens a debugger on SIGUSR1, and whoever connects runs code in the process. */
async function opensDebugger(pid) {
  if (!works(() => process.kill(pid, "SIGUSR1"))) return false;
  await new Promise((resolve) => setTimeout(resolve, 500));
  return reaches({ host: "127.0.0.1", port: 9229 });
}

const runs = (command, args) => spawnSync(command, args, { timeout: 5000 });

async function tryEverything(targets) {
  const worked = [];
  const note = (name, done) => {
    if (done) worked.push(name);
  };
  for (const [name, path] of Object.entries(targets.read)) {
    note(
      `read ${name}`,
      works(() => readFileSync(path)),
    );
  }
  for (const [name, path] of Object.entries(targets.write)) {
    note(
      `write ${name}`,
      works(() => writeFileSync(path, "escaped")),
    );
  }
  for (const [name, target] of Object.entries(targets.connect)) {
    note(`connect ${name}`, await reaches(target));
  }
  for (const [name, pid] of Object.entries(targets.processes)) {
    note(
      `signal ${name}`,
      works(() => process.kill(pid, 0)),
    );
    note(
      `environment of ${name}`,
      works(() => readFileSync(`/proc/${pid}/environ`)),
    );
    note(
      `descriptors of ${name}`,
      works(() => readdirSync(`/proc/${pid}/fd`)),
    );
    // Opening this file needs the same kernel permission as ptrace(2).
    note(
      `memory of ${name}`,
      works(() => closeSync(openSync(`/proc/${pid}/mem`, "r+"))),
    );
  }
  note("debug runner", await opensDebugger(targets.processes.runner));
  note(
    "see other processes",
    works(() => readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).length > 2),
  );
  note(
    "run a shell",
    works(() => runs("/bin/sh", ["-c", "exit 0"]).status === 0),
  );
  note(
    "become root",
    works(() => runs(targets.setuid, ["-u"]).stdout.toString().trim() === "0"),
  );
  return worked;
}

const targets = JSON.parse(readFileSync(join(import.meta.dirname, "targets.json"), "utf8"));

function send(value, body = "") {
  const head = Buffer.from(JSON.stringify(value));
  const bytes = Buffer.from(body);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(4 + head.length + bytes.length, 0);
  lengths.writeUInt32BE(head.length, 4);
  process.stdout.write(Buffer.concat([lengths, head, bytes]));
}

let held = Buffer.alloc(0);
process.stdin.on("end", () => process.exit());
process.stdin.on("data", (chunk) => void take(chunk));

async function take(chunk) {
  held = Buffer.concat([held, chunk]);
  while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
    const end = 4 + held.readUInt32BE();
    const request = JSON.parse(held.subarray(8, 8 + held.readUInt32BE(4)));
    held = held.subarray(end);
    if (request.op === "load") {
      send({ op: "ready" });
      continue;
    }
    const result = JSON.stringify({ worked: await tryEverything(targets) });
    send({ op: "done", id: request.id }, result);
  }
}
