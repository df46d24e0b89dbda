/** Groups whose members can become root, by what the group may open or run. */
const ROOT_GROUPS: ReadonlySet<string> = new Set([
  ...["docker", "podman", "lxd", "incus", "incus-admin", "libvirt", "disk", "kmem", "shadow"],
  ...["root", "sudo", "wheel", "admin", "staff"],
]);

/** True for a group whose members are as powerful as root. */
export function isRootGroup(group: string): boolean {
  return ROOT_GROUPS.has(group);
}

/** A group that a pack needs, as people see it, and what it means for a host. */
export function describeGroup(group: string): { label: string; words: string } {
  return isRootGroup(group)
    ? {
        label: `group ${group}, as good as root`,
        words: "Whoever is in it can become root. Only the process that does the reads gets it.",
      }
    : { label: `group ${group}`, words: "The process that does the reads is in it." };
}
