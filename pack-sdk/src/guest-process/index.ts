export { type GuestProcess, openGuestProcess } from "./open-guest-process.ts";
