import type { Me, PasswordOptions, RecoveryCodes } from "@sonde/schemas/people";
import { useState } from "preact/hooks";
import { encode } from "uqr";
import { ask, askRenewed } from "../api.ts";
import { TextField } from "../fields.tsx";
import { Badge, countOf, Failure, Lines, useAct, useRead, Waiting, Window } from "../parts.tsx";
import { countWays } from "./count-ways.ts";

/** The password of a person with its second factor: an app's codes. The one never comes without the other. */
export function PasswordSheet({ me, again }: { me: Me; again: () => void }) {
  const [isSetting, setSetting] = useState(false);
  const { run, isRunning, refusal } = useAct();
  const remove = async () => {
    await askRenewed("DELETE", "/me/password");
    again();
  };
  return (
    <section class="sheet" aria-labelledby="password">
      <header class="title">
        <h2 id="password">Password and codes</h2>
        <button type="button" class="plain" onClick={() => setSetting(true)}>
          {me.hasPassword ? "Change the password" : "Set a password"}
        </button>
      </header>
      {isSetting ? <SetWindow close={() => setSetting(false)} again={again} /> : null}
      {refusal === null ? null : <Failure refusal={refusal} />}
      {me.hasPassword ? (
        <>
          <p>
            You have a password with the codes of an app, and{" "}
            {countOf(me.recoveryCodes, "recovery code")} left.
          </p>
          {countWays(me) === 1 ? (
            <p>
              <Badge level="none">your only way in</Badge>
            </p>
          ) : (
            <p class="acts">
              <button type="button" class="danger" disabled={isRunning} onClick={() => run(remove)}>
                Remove password and codes
              </button>
            </p>
          )}
        </>
      ) : (
        <p class="note">None. A password always comes with the codes of an app.</p>
      )}
    </section>
  );
}

function SetWindow({ close, again }: { close: () => void; again: () => void }) {
  const offer = useRead(() => ask<PasswordOptions>("POST", "/me/password/options"), []);
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const done = (made: readonly string[]) => {
    setCodes(made);
    again();
  };
  return (
    <Window title="Password and codes" close={close}>
      {codes !== null ? (
        <>
          <p role="status">
            <Badge level="good">set</Badge> Each of these recovery codes signs you in once, with
            your password, when your app is lost. They are shown only here.
          </p>
          <Lines label="Recovery codes" text={codes.join("\n")} />
          <p class="acts">
            <button type="button" class="plain" onClick={close}>
              I have them
            </button>
          </p>
        </>
      ) : offer.refusal !== null ? (
        <Failure refusal={offer.refusal} again={offer.again} />
      ) : offer.value === null ? (
        <Waiting rows={4} />
      ) : (
        <SetForm offer={offer.value} done={done} />
      )}
    </Window>
  );
}

function SetForm({
  offer,
  done,
}: {
  offer: PasswordOptions;
  done: (codes: readonly string[]) => void;
}) {
  const { run, isRunning, refusal } = useAct();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const { secret, address, sealed } = offer;
  const set = async () => {
    const made = await askRenewed<RecoveryCodes>("PUT", "/me/password", { password, sealed, code });
    done(made.recoveryCodes);
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        run(set);
      }}
    >
      <TextField
        label="New password"
        note="12 characters or more. Several words are good."
        value={password}
        set={setPassword}
        type="password"
        required
        minLength={12}
        maxLength={256}
        autocomplete="new-password"
      />
      <p>Read this picture with an authenticator app, or type its secret there.</p>
      <Picture of={address} />
      <Lines label="Secret for the app" text={secret} />
      <Lines label="Address for the app" text={address} />
      <TextField
        label="The app's code"
        value={code}
        set={setCode}
        required
        pattern="[0-9]{6}"
        maxLength={6}
        inputMode="numeric"
        autocomplete="one-time-code"
      />
      {refusal === null ? null : <Failure refusal={refusal} />}
      <p class="acts">
        <button type="submit" disabled={isRunning}>
          Set it
        </button>
      </p>
    </form>
  );
}

/** A picture of dark squares on white, in dark mode too: cameras expect it. */
function Picture({ of }: { of: string }) {
  const { data, size } = encode(of, { ecc: "M", border: 2 });
  const path = data
    .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")))
    .join("");
  return (
    <svg
      class="qr"
      role="img"
      aria-label="The secret as a QR code"
      viewBox={`0 0 ${size} ${size}`}
      shape-rendering="crispEdges"
    >
      <path fill="#fff" d={`M0 0h${size}v${size}h-${size}z`} />
      <path fill="#000" d={path} />
    </svg>
  );
}
