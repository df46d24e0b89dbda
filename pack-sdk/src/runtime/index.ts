// The only importer of isolated-vm.
export { MAX_RESULT_CHARS, createGuest, type Guest, type GuestAnswer } from "./create-guest.ts";
