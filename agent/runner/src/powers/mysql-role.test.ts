import { SondeError } from "@sonde/schemas/errors";
import { expect, test } from "vitest";
import { describeRightAccount, requireModestAccount } from "./mysql-role.ts";

// Lines of SHOW GRANTS as MySQL writes them, which no release of Debian has. Those of
// MariaDB are tested on a server (test/agent/mysql-source.test.ts).

const MYSQL = { isMariaDb: false, version: 80_036 };
const ACCOUNT = "'sonde-run'@'localhost'";
const TO = "TO `sonde-run`@`localhost`";
const PROCESS = `GRANT PROCESS, REPLICATION CLIENT ON *.* ${TO}`;

function refusalOf(...lines: string[]): string | null {
  try {
    requireModestAccount(ACCOUNT, [PROCESS, ...lines], MYSQL);
    return null;
  } catch (error) {
    if (!(error instanceof SondeError)) throw error;
    expect(error.code).toBe("PERMISSION_NEEDED");
    return error.message;
  }
}

test("rights that only look are taken", () => {
  expect(
    refusalOf(
      `GRANT USAGE ON *.* ${TO}`,
      `GRANT SELECT ON \`performance_schema\`.* ${TO}`,
      `GRANT SELECT ON \`performance\\_schema\`.* ${TO}`,
      `GRANT SELECT, SELECT (\`a\`, \`b\`) ON \`shop\`.\`orders\` ${TO}`,
    ),
  ).toBeNull();
});

// Attack 52.
test.each([
  ["rights of a release, all in one line", `GRANT BACKUP_ADMIN,CONNECTION_ADMIN ON *.* ${TO}`],
  ["one such right beside another", `GRANT PROCESS,SYSTEM_VARIABLES_ADMIN ON *.* ${TO}`],
  ["roles", "GRANT `a`@`%`,`b`@`%` TO `sonde-run`@`localhost`"],
  ["rights that it may give on", `GRANT SELECT ON \`shop\`.\`t\` ${TO} WITH GRANT OPTION`],
  ["a proxy", `GRANT PROXY ON \`root\`@\`localhost\` ${TO}`],
  ["an exception from more", "REVOKE INSERT ON `shop`.* FROM `sonde-run`@`localhost`"],
  ["the passwords", `GRANT SELECT ON \`mysql\`.\`user\` ${TO}`],
  ["the passwords, in capitals", `GRANT SELECT ON \`MYSQL\`.\`user\` ${TO}`],
  ["a schema that looks like the server's", `GRANT SELECT ON \`performance_schema2\`.* ${TO}`],
  ["a name with a quote", `GRANT INSERT ON \`a\`\` ON *.* TO \`.* ${TO}`],
  ["a routine", `GRANT EXECUTE ON FUNCTION \`shop\`.\`f\` ${TO}`],
  ["a line of the future", `PERMIT EVERYTHING ${TO}`],
  ["nothing in a line", ""],
])("an account is refused that has %s", (_, line) => {
  expect(refusalOf(line)).toContain("may do more than look");
});

test("what is to be typed takes away what is too much, and nothing of what a line may hide", () => {
  const said = refusalOf(`GRANT BACKUP_ADMIN,PROCESS ON *.* ${TO}`) ?? "";
  expect(said.split("in SQL: ")[1]).toBe(
    `REVOKE BACKUP_ADMIN ON *.* FROM \`sonde-run\`@\`localhost\`; GRANT PROCESS, REPLICATION CLIENT ON *.* TO ${ACCOUNT}; GRANT SELECT ON performance_schema.* TO ${ACCOUNT};`,
  );
  const hidden = refusalOf("PERMIT x TO y; DROP DATABASE shop") ?? "";
  expect(hidden).not.toContain("DROP");
});

test("many rights are taken away together, and what is to be typed is whole", () => {
  const many = Array.from({ length: 80 }, (_, index) => `RIGHT_${"X".repeat(index % 30)}`);
  const said =
    refusalOf(
      `GRANT ${many.join(",")} ON *.* ${TO} WITH GRANT OPTION`,
      `GRANT PROXY ON \`root\`@\`localhost\` ${TO}`,
      "GRANT `a`@`%` TO `sonde-run`@`localhost`",
    ) ?? "";
  expect(said.length).toBeLessThan(1500);
  expect(said).toContain("and 77 more");
  const who = "`sonde-run`@`localhost`";
  expect(said.split("in SQL: ")[1]).toContain(
    `REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${who}; REVOKE PROXY ON \`root\`@\`localhost\` FROM ${who}; REVOKE \`a\`@\`%\` FROM ${who}; GRANT PROCESS`,
  );
});

test("an account of MySQL signs in by auth_socket, and a strange name stays a name", () => {
  expect(describeRightAccount("sonde-run", MYSQL)).toContain(
    `CREATE USER ${ACCOUNT} IDENTIFIED WITH auth_socket WITH MAX_USER_CONNECTIONS 4;`,
  );
  expect(describeRightAccount("a'b\\", MYSQL)).toContain("CREATE USER 'a''b\\\\'@'localhost'");
});
