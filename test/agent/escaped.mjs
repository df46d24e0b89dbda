// Replaces a pack host, as if pack code had taken over its process. It either tries everything that
// the wall should prevent and reports what worked, or it lies. The argument of `run` is the list of
// targets, or `lie`: head members and a body to answer with; "silence" means no answer, "deaf"
// neither an answer nor an end, and "feign" that it lives on though it seems to have ended.
import { spawnSync } from "node:child_process";
import { closeSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";

function send(value, body = "") {
  const head = Buffer.from(JSON.stringify(value));
  const bytes = Buffer.from(body);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(4 + head.length + bytes.length, 0);
  lengths.writeUInt32BE(head.length, 4);
  process.stdout.write(Buffer.concat([lengths, head, bytes]));
}

function reach(target) {
  return new Promise((resolve) => {
    try {
      const socket = connect(target);
      socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    } catch {
      resolve(false);
    }
  });
}

const works = (act) => {
  try {
    return act() !== false;
  } catch {
    return false;
  }
};

async function attempt(targets) {
  const tried = {
    key: works(() => readFileSync(targets.key)),
    readable: works(() => readFileSync(targets.readable)),
    passwd: works(() => readFileSync("/etc/passwd")),
    agentEnviron: works(() => readFileSync(`/proc/${targets.agentPid}/environ`)),
    runnerEnviron: works(() => readFileSync(`/proc/${targets.runnerPid}/environ`)),
    processes: works(() => readdirSync("/proc").some((name) => /^[0-9]+$/.test(name))),
    shell: works(() => spawnSync("/bin/sh", ["-c", "exit 0"]).status === 0),
    writeTmp: works(() => writeFileSync("/tmp/escaped", "x")),
    writeFolder: works(() => writeFileSync(targets.writable, "x")),
    killRunner: works(() => process.kill(targets.runnerPid, 0)),
    killAgent: works(() => process.kill(targets.agentPid, 0)),
    unixSocket: await reach({ path: targets.socket }),
    network: await reach({ host: "127.0.0.1", port: targets.port }),
  };
  return Object.keys(tried).filter((name) => tried[name]);
}

function ignoreEnd() {
  process.on("uncaughtException", () => undefined);
  process.stdin.removeAllListeners("end");
  setInterval(() => undefined, 1000);
}

/** Ends the streams by which the runner would notice that it lives. */
function feignEnd() {
  process.stdout.end();
  setTimeout(() => {
    for (const descriptor of [0, 1]) closeSync(descriptor);
  }, 100);
}

let held = Buffer.alloc(0);
process.stdin.on("end", () => process.exit());
process.stdin.on("data", (chunk) => void take(chunk));

async function take(chunk) {
  held = Buffer.concat([held, chunk]);
  while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
    const end = 4 + held.readUInt32BE();
    const headEnd = 8 + held.readUInt32BE(4);
    const request = JSON.parse(held.subarray(8, headEnd));
    const input = held.subarray(headEnd, end);
    held = held.subarray(end);
    if (request.op === "load") {
      send({ op: "ready", pid: process.pid });
      continue;
    }
    const { lie, ...targets } = JSON.parse(input).params;
    if (lie === "deaf" || lie === "feign") ignoreEnd();
    if (lie === "feign") feignEnd();
    if (["silence", "deaf", "feign"].includes(lie)) continue;
    if (lie !== undefined) {
      send({ op: "done", id: request.id, ...lie.head }, lie.body);
      continue;
    }
    const result = JSON.stringify(await attempt(targets));
    send({ op: "done", id: request.id }, result);
  }
}
