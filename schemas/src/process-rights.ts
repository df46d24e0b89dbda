import { type Static, type TObjectOptions, Type } from "typebox";

const Ids = Type.Array(Type.Integer({ minimum: 0 }), { maxItems: 64 });
/** A set of capabilities as the kernel writes it: one bit each, in hexadecimal. */
const CapabilitySet = Type.String({ pattern: "^[0-9a-f]{1,32}$" });

const buildRights = (options: TObjectOptions) =>
  Type.Object(
    {
      /** Real, effective, saved and file-system ids. */
      uids: Ids,
      gids: Ids,
      groups: Ids,
      capabilities: Type.Object(
        {
          inheritable: CapabilitySet,
          permitted: CapabilitySet,
          effective: CapabilitySet,
          bounding: CapabilitySet,
          ambient: CapabilitySet,
        },
        options,
      ),
      noNewPrivs: Type.Boolean(),
      /** 0 off, 1 strict, 2 filter; null when the kernel does not say. */
      seccomp: Type.Union([Type.Integer({ minimum: 0, maximum: 2 }), Type.Null()]),
    },
    options,
  );

/** What the kernel says of a process in `/proc/PID/status` (proc_pid_status(5)). */
export const ProcessRights = buildRights({});
export type ProcessRights = Static<typeof ProcessRights>;
/** The same between agent and runner, which are of one release. */
export const OwnRights = buildRights({ additionalProperties: false });
