export { checkOwner } from "./check-owner.ts";
export { holdHangUps } from "./hang-ups.ts";
export { createLiveSettings } from "./live-settings.ts";
export { requireOwnPath } from "./own-path.ts";
export { checkOwnedFolder, readFileBeneath, readOwnedFile } from "./read-owned.ts";
export { replaceFile } from "./replace-file.ts";
export { takeLock } from "./take-lock.ts";
export { type GrantFolder, readGrants, revokedFileOf } from "./read-grants.ts";
