import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { parseGroupFile } from "../../group-file.ts";
import { hasSystemd } from "../has-systemd.ts";
import { type Finding, well, wrong } from "./finding.ts";

/** The log, the packs and the upgrade of a package need some; below it calls are refused soon. */
const LEAST_FREE_BYTES = 64 * 1024 * 1024;
const LEAST_FREE_FILES = 1000;
const COMMAND_MS = 10_000;

/** Whether there is room for what the agent writes: a full disk refuses every call. */
export function checkDisk(folders: readonly string[]): Finding {
  for (const folder of folders.filter((path) => existsSync(path))) {
    const { bavail, bsize, files, ffree } = statfsSync(folder);
    const free = bavail * bsize;
    // A filesystem without a limit of files says 0 of 0.
    const lacksFiles = files > 0 && ffree < LEAST_FREE_FILES;
    if (free >= LEAST_FREE_BYTES && !lacksFiles) continue;
    const what = lacksFiles ? `${ffree} files` : `${Math.floor(free / 1024 / 1024)} MiB`;
    return wrong("disk", `${folder} has room for ${what} more`, `df -h ${folder}; df -i ${folder}`);
  }
  return well("disk", `there is room in ${folders.join(", ")}`);
}

/** Whether systemd starts a sandbox for each pack. */
export function checkPackHosts(): Finding {
  const refusal = tryCommand("systemctl", ["is-active", "--quiet", "sonde-pack-host.socket"]);
  if (refusal === null) return well("pack-hosts", "packs run in units of their own");
  return wrong(
    "pack-hosts",
    "sonde-pack-host.socket does not listen, so that no pack can run",
    "sudo systemctl start sonde-pack-host.socket; journalctl -u sonde-pack-host.socket -n 20",
  );
}

/** Whether the kernel lets a runner's user make the sandbox of a pack, as it does without systemd. */
export function checkBubblewrap(asRunner: (command: string[]) => [string, string[]]): Finding {
  const bwrap = "/usr/bin/bwrap";
  if (!existsSync(bwrap)) {
    return wrong(
      "bubblewrap",
      "bwrap is missing, so that packs run without a sandbox of namespaces",
      "sudo apt install bubblewrap",
    );
  }
  const [command, args] = asRunner([bwrap, "--ro-bind", "/", "/", "--unshare-all", "true"]);
  const refusal = tryCommand(command, args);
  if (refusal === null) return well("bubblewrap", "packs run in a sandbox of namespaces");
  return wrong(
    "bubblewrap",
    `bwrap cannot make a sandbox here: ${refusal}`,
    "sudo sysctl -w kernel.unprivileged_userns_clone=1; sudo sysctl -w user.max_user_namespaces=15000",
  );
}

/** Whether each group that a pack was granted still exists: its runner cannot start without. */
export function checkGroups(granted: readonly (readonly string[])[], groupFile: string): Finding {
  const known = parseGroupFile(readFileSync(groupFile, "utf8"));
  const missing = [...new Set(granted.flat())].filter((name) => !known.has(name));
  if (missing.length === 0) return well("groups", "every group that was granted exists");
  const names = missing.join(", ");
  return wrong(
    "groups",
    `this host has no group ${names}, which a pack was granted`,
    `sudo groupadd --system ${missing[0]}; or take the grant back: sudo sonde-agent revoke PACK`,
  );
}

/** Whether systemd runs the agent. */
export function checkService(): Finding {
  if (!hasSystemd()) {
    return well("service", "there is no systemd here; `sonde-agent run` keeps the agent running");
  }
  const refusal = tryCommand("systemctl", ["is-active", "--quiet", "sonde-agent.service"]);
  if (refusal === null) return well("service", "the agent runs");
  return wrong(
    "service",
    "the agent does not run; its journal says why",
    "sudo systemctl restart sonde-agent; journalctl -u sonde-agent -n 20",
  );
}

/** @returns null when the command ended well, else what it said */
function tryCommand(command: string, args: readonly string[]): string | null {
  try {
    execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"], timeout: COMMAND_MS });
    return null;
  } catch (thrown) {
    const said = thrown instanceof Error && "stderr" in thrown ? String(thrown.stderr).trim() : "";
    return said.slice(0, 300) || String(thrown).slice(0, 300);
  }
}
