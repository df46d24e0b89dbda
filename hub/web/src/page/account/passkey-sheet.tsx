import {
  type PublicKeyCredentialCreationOptionsJSON,
  startRegistration,
} from "@simplewebauthn/browser";
import type { Me } from "@sonde/schemas/people";
import { useState } from "preact/hooks";
import { ask, askRenewed, part, Refusal } from "../api.ts";
import { TextField } from "../fields.tsx";
import { Badge, Failure, Said, Time, useAct, Window } from "../parts.tsx";
import { countWays } from "./count-ways.ts";

type Passkey = Me["passkeys"][number];

/** The passkeys of a person: each is a way in on its own. */
export function PasskeySheet({ me, again }: { me: Me; again: () => void }) {
  const [isAdding, setAdding] = useState(false);
  const { run, isRunning, refusal } = useAct();
  const isOnly = countWays(me) === 1;
  const remove = ({ id }: Passkey) =>
    run(async () => {
      await askRenewed("DELETE", `/me/passkeys/${part(id)}`);
      again();
    });
  return (
    <section class="sheet" aria-labelledby="passkeys">
      <header class="title">
        <h2 id="passkeys">Passkeys</h2>
        <button type="button" class="plain" onClick={() => setAdding(true)}>
          Add a passkey
        </button>
      </header>
      {isAdding ? <AddWindow close={() => setAdding(false)} again={again} /> : null}
      {refusal === null ? null : <Failure refusal={refusal} />}
      {me.passkeys.length === 0 ? (
        <p class="note">None. A passkey is your fingerprint, face, PIN or security key.</p>
      ) : (
        <table>
          <caption class="unseen">Your passkeys</caption>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col" class="middle">
                Works at
              </th>
              <th scope="col" class="middle">
                Added
              </th>
              <th scope="col">Last used</th>
              <th scope="col">
                <span class="unseen">Acts</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {me.passkeys.map((passkey) => (
              <PasskeyRow
                key={passkey.id}
                passkey={passkey}
                remove={isOnly ? null : remove}
                isRunning={isRunning}
              />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function PasskeyRow(props: {
  passkey: Passkey;
  /** Null for the only way in. */
  remove: ((passkey: Passkey) => void) | null;
  isRunning: boolean;
}) {
  const { passkey, remove, isRunning } = props;
  const name = passkey.name ?? "Passkey";
  return (
    <tr>
      <th scope="row">
        <Said text={name} />
      </th>
      <td class="middle">
        <Said text={passkey.host} />
      </td>
      <td class="middle">
        <Time at={passkey.createdAt} />
      </td>
      <td>{passkey.usedAt === null ? "never" : <Time at={passkey.usedAt} />}</td>
      <td class="number">
        {remove === null ? (
          <Badge level="none">your only way in</Badge>
        ) : (
          <button
            type="button"
            class="plain"
            disabled={isRunning}
            aria-label={`Remove ${name}`}
            onClick={() => remove(passkey)}
          >
            Remove
          </button>
        )}
      </td>
    </tr>
  );
}

function AddWindow({ close, again }: { close: () => void; again: () => void }) {
  const { run, isRunning, refusal } = useAct();
  const [name, setName] = useState("");
  const add = async () => {
    const optionsJSON = await ask<PublicKeyCredentialCreationOptionsJSON>(
      "POST",
      "/me/passkeys/options",
    );
    const answer = await startRegistration({ optionsJSON }).catch((thrown: unknown) => {
      throw readDeclined(thrown);
    });
    await askRenewed("POST", "/me/passkeys", { answer, name });
    again();
    close();
  };
  return (
    <Window title="Add a passkey" close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run(add);
        }}
      >
        <TextField
          label="Name of the passkey"
          note="Such as the device that keeps it."
          value={name}
          set={setName}
          required
          maxLength={80}
        />
        {refusal === null ? null : <Failure refusal={refusal} />}
        <p class="acts">
          <button type="submit" disabled={isRunning}>
            Add it
          </button>
        </p>
      </form>
    </Window>
  );
}

/** What browsers say when a person declines, or no authenticator fits, tells nobody anything. */
function readDeclined(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  if (thrown.name === "InvalidStateError") {
    return new Refusal(0, "PASSKEY_KNOWN", "This device has a passkey of yours already.", "");
  }
  if (thrown.name !== "NotAllowedError" && thrown.name !== "AbortError") return thrown;
  return new Refusal(0, "NO_PASSKEY", "No passkey was made.", "Try again, or use another device.");
}
