/** Where systemd puts the control groups of units. */
export const SLICES = ["system.slice", "user.slice", "machine.slice"] as const;
