// What each container image has besides the files of its package.

/** What every program of a package needs, and what `ps` and a person's command need. */
const BASE = [
  ...["base-files", "base-passwd", "libc6", "libstdc++6", "util-linux", "coreutils", "dash", "sed"],
  "procps",
];

/** Tells `sonde` that the packages are what it is about; see the script of the same name. */
const INSTALLED = "SONDE_DATA=/etc/sonde-hub";

/**
 * Debian's packages in each image, the arguments of the program that it runs, the user that runs it,
 * the folder that must outlive a container, and the ports that other machines use. The agent's is
 * run by root, who gives each of its processes its own user.
 */
export const IMAGES = {
  "sonde-agent": {
    title: "Sonde agent",
    debian: [...BASE, "bubblewrap"],
    entrypoint: ["/usr/lib/sonde-agent/node", "/usr/lib/sonde-agent/sonde-agent.js"],
    command: ["run"],
    user: "root",
    state: "/var/lib/sonde-agent",
    env: [],
    ports: [],
  },
  "sonde-hub": {
    title: "Sonde hub",
    debian: [...BASE, "postgresql"],
    entrypoint: [
      "/usr/lib/sonde-hub/node",
      "--no-node-snapshot",
      "/usr/lib/sonde-hub/sonde-installed.js",
    ],
    command: ["hub", "run"],
    user: "sonde-hub",
    state: "/var/lib/sonde-hub",
    env: [INSTALLED],
    // For agents that enrol, for agents, and for clients.
    ports: [4312, 4313, 4314],
  },
  "sonde-registry": {
    title: "Sonde registry",
    debian: [...BASE, "postgresql"],
    entrypoint: [
      ...["/usr/lib/sonde-registry/node", "--no-node-snapshot"],
      "/usr/lib/sonde-registry/sonde-installed.js",
    ],
    command: ["registry", "run"],
    user: "sonde-registry",
    state: "/var/lib/sonde-registry",
    env: [INSTALLED],
    ports: [4315],
  },
};

/**
 * The ids of the packages' users in every image: who listens on a port is asked for the id. They are
 * the same in each release, because the files of a volume have them.
 */
export const USER_IDS = { sonde: 970, "sonde-run": 971, "sonde-hub": 972, "sonde-registry": 973 };
