import { writeCount, writeValue } from "@sonde/service/quantities";
import { Said } from "../parts.tsx";

// What a host said, as tables. All of it may have been written by a host that lies.

const MAX_ROWS = 100;
const MAX_COLUMNS = 12;
const MAX_DEPTH = 4;
/** Of one value. A longer one is whole in the JSON. */
const MAX_TEXT = 300;

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value that takes one line: no object, and no list of objects. */
function isPlain(value: unknown): boolean {
  return Array.isArray(value)
    ? value.every((one) => !isFields(one) && !Array.isArray(one))
    : !isFields(value);
}

/** The members of an answer: values by name, and each list of alike things as a table. */
export function DataView({ data, depth = 0 }: { data: Fields; depth?: number }) {
  const members = Object.entries(data);
  const plain = members.filter(([, value]) => isPlain(value));
  const others = members.filter(([, value]) => !isPlain(value));
  return (
    <>
      {members.length === 0 ? <p class="note">The answer has nothing in it.</p> : null}
      {plain.length === 0 ? null : (
        <dl class="facts">
          {plain.map(([name, value]) => (
            <div key={name}>
              <dt>
                <Said text={toWords(name)} />
              </dt>
              <dd>
                <Value name={name} value={value} />
              </dd>
            </div>
          ))}
        </dl>
      )}
      {others.map(([name, value]) => (
        <div key={name} class="member">
          <h4>
            <Said text={toWords(name)} />
          </h4>
          {Array.isArray(value) ? (
            <Rows name={name} rows={value} />
          ) : isFields(value) && depth < MAX_DEPTH ? (
            <DataView data={value} depth={depth + 1} />
          ) : (
            <Value name={name} value={value} />
          )}
        </div>
      ))}
    </>
  );
}

function Rows({ name, rows }: { name: string; rows: readonly unknown[] }) {
  const shown = rows.filter(isFields).slice(0, MAX_ROWS);
  const all = [...new Set(shown.flatMap((row) => Object.keys(row)))];
  const columns = all.slice(0, MAX_COLUMNS);
  const notes = [
    rows.length > shown.length ? `${writeCount(rows.length - shown.length)} more rows` : "",
    all.length > columns.length ? `${all.length - columns.length} more columns` : "",
  ].filter((note) => note !== "");
  return (
    <>
      <div class="wide" tabIndex={0} role="group" aria-label={`Table of ${toWords(name)}`}>
        <table>
          <caption class="unseen">
            <Said text={toWords(name)} />
          </caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th scope="col" key={column}>
                  <Said text={toWords(column)} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, place) => (
              <tr key={place}>
                {columns.map((column) => (
                  <td key={column} class={typeof row[column] === "number" ? "number" : ""}>
                    <Value name={column} value={Object.hasOwn(row, column) ? row[column] : null} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {notes.length === 0 ? null : <p class="note">{`${notes.join(" and ")} are in the JSON.`}</p>}
    </>
  );
}

/** A value with the unit that its name tells. A share has a bar too, which is beside its number. */
function Value({ name, value }: { name: string; value: unknown }) {
  const isEmptyList = Array.isArray(value) && value.length === 0;
  const text = isEmptyList ? "none" : writeValue(name, value);
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}\u2026` : text;
  const isShare = name.endsWith("Percent") && typeof value === "number";
  return (
    <>
      <Said text={cut} />
      {isShare ? <Bar percent={value} /> : null}
    </>
  );
}

function Bar({ percent }: { percent: number }) {
  const width = `${Math.min(100, Math.max(0, percent))}%`;
  return (
    <svg class="ms" aria-hidden="true" height="8">
      <rect class="track" width="100%" height="8" rx="4" />
      <rect class="fill" width={width} height="8" rx="4" />
    </svg>
  );
}

/** `usedBytes` is `used bytes`. */
function toWords(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
