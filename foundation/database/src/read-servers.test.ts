import { expect, test } from "vitest";
import { readServers } from "./read-servers.ts";

const at = (host: string, port = 5432) => ({ host, port });

test.each([
  ["postgres://u@localhost/db", [at("localhost")]],
  [
    "postgres://u@localhost:1,127.0.0.1:2,[::1]:3/db",
    [at("localhost", 1), at("127.0.0.1", 2), at("::1", 3)],
  ],
  ["postgresql://u@localhost/db?host=/run/a,/run/b", [at("/run/a"), at("/run/b")]],
])("%s names its servers", (url, addresses) => {
  expect(readServers(url)).toEqual({ addresses, database: "db", username: "u" });
});

test("name and password may have any character", () => {
  expect(readServers("postgres://a%40b:c%2Fd%2Ce@f@localhost,localhost:2/x%2Fy")).toEqual({
    ...{ username: "a@b", password: "c/d,e@f", database: "x/y" },
    addresses: [at("localhost"), at("localhost", 2)],
  });
});

test("a remote server of a list must prove its name", () => {
  const url = "postgres://u@localhost,db.example.com:2/db";
  expect(() => readServers(`${url}?sslmode=require`)).toThrowError(
    "expected sslmode=verify-full for a database on db.example.com, got require",
  );
  expect(readServers(`${url}?sslmode=verify-full`)).toMatchObject({
    addresses: [at("localhost"), at("db.example.com", 2)],
    ssl: { rejectUnauthorized: true },
  });
});

test.each([
  "",
  "localhost",
  "mysql://u@localhost/db",
  "postgres://u@,localhost/db",
  "postgres://u@localhost:x/db",
])("%j is refused", (url) => {
  expect(() => readServers(url)).toThrowError("expected DATABASE_URL to be postgres://...");
});

test("the authorities of a remote server are read from a file in PEM, or it is refused", () => {
  const url = "postgres://hub@db.example.com/sonde?sslmode=verify-full";
  expect(readServers(url).ssl).toEqual({ rejectUnauthorized: true });
  for (const file of ["/dev/null", "/nonexistent", import.meta.filename]) {
    expect(() => readServers(`${url}&sslrootcert=${file}`)).toThrowError(
      `expected certificates in PEM in sslrootcert=${file}, found none`,
    );
  }
});
