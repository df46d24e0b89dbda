/**
 * The script that runs first in a guest's realm. It removes every global that is not listed,
 * freezes the rest, and returns a function. That function is the only way in and out, and it takes
 * and returns text.
 *
 * It uses an allow list, so globals that a later V8 adds stay out. Clock, time zone, randomness and
 * locale are removed too, so that a recorded call gives the same answer wherever it is repeated.
 * `eval` and every Function constructor are removed, so that the archive's text is all the code
 * there is.
 */
export const REALM_SOURCE = `(() => {
"use strict";
const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf, isFrozen } = Object;
const { construct, ownKeys } = Reflect;
const { parse, stringify } = JSON;
const global = globalThis;
const ErrorType = Error;
const hasInstance = Function.prototype[Symbol.hasInstance];
const apply = Reflect.apply;
const slice = String.prototype.slice;
const test = RegExp.prototype.test;

const functionKinds = [
  getPrototypeOf(function () {}),
  getPrototypeOf(function* () {}),
  getPrototypeOf(async function () {}),
  getPrototypeOf(async function* () {}),
];
const unreachableByName = [
  ...functionKinds,
  getPrototypeOf([][Symbol.iterator]()),
  getPrototypeOf(new Map()[Symbol.iterator]()),
  getPrototypeOf(new Set()[Symbol.iterator]()),
  getPrototypeOf(""[Symbol.iterator]()),
  getPrototypeOf("".matchAll(/x/g)),
  getPrototypeOf(Iterator.from({ next() {} })),
  getPrototypeOf([].values().map((x) => x)),
];

const kept = new Set([
  "Object", "Array", "String", "Number", "Boolean", "Symbol", "BigInt", "Map", "Set", "WeakMap",
  "WeakSet", "Math", "JSON", "RegExp", "Date", "Promise", "Reflect", "Proxy", "Iterator",
  "Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError",
  "AggregateError", "ArrayBuffer", "DataView", "Int8Array", "Uint8Array", "Uint8ClampedArray",
  "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "Float32Array", "Float64Array",
  "BigInt64Array", "BigUint64Array", "parseInt", "parseFloat", "isNaN", "isFinite",
  "encodeURIComponent", "decodeURIComponent", "encodeURI", "decodeURI",
  "globalThis", "undefined", "NaN", "Infinity",
]);

function remove(holder, key) {
  if (!delete holder[key]) throw new TypeError("cannot remove " + String(key));
}

function removeGlobals() {
  for (const key of ownKeys(global)) if (!kept.has(key)) remove(global, key);
}

function removeCodeFromText() {
  for (const kind of functionKinds) remove(kind, "constructor");
}

// Text that names no zone is read in the machine's own; such text is no date here.
const zoned = /(?:Z|GMT|UTC|[+-]\\d\\d:?\\d\\d)$|^\\d{4}(?:-\\d\\d(?:-\\d\\d)?)?$/;

function removeClockAndZone() {
  const RealDate = Date;
  const { getTime } = RealDate.prototype;
  const parseDate = RealDate.parse;
  const parseZoned = (text) => (apply(test, zoned, [text]) ? parseDate(text) : NaN);
  const timeOf = (value) => {
    if (typeof value === "number") return value;
    try {
      return apply(getTime, value, []);
    } catch {
      return parseZoned(String(value));
    }
  };
  const date = function Date(...args) {
    if (new.target === undefined || args.length === 0) {
      throw new TypeError("a pack has no clock: use the 'now' that run receives");
    }
    if (args.length > 1) throw new TypeError("a pack has no time zone: use Date.UTC");
    return construct(RealDate, [timeOf(args[0])], new.target);
  };
  defineProperty(date, "parse", { value: (text) => parseZoned(String(text)) });
  defineProperty(date, "UTC", getOwnPropertyDescriptor(RealDate, "UTC"));
  defineProperty(date, "prototype", { value: RealDate.prototype, writable: false });
  defineProperty(RealDate.prototype, "constructor", { value: date });
  defineProperty(global, "Date", { value: date });
  for (const key of ownKeys(RealDate.prototype)) {
    const isLocal = apply(test, /^[gs]et(?!UTC|Time$)|^to(?:Date|Time)?String$/, [String(key)]);
    if (isLocal) remove(RealDate.prototype, key);
  }
}

function removeWhatDiffersByMachine() {
  remove(Math, "random");
  const TypedArray = getPrototypeOf(Uint8Array);
  for (const type of [String, Number, BigInt, Array, TypedArray, Date]) {
    for (const key of ownKeys(type.prototype)) {
      if (typeof key === "string" && key.startsWith("toLocale")) remove(type.prototype, key);
    }
  }
  remove(String.prototype, "localeCompare");
}

// RegExp keeps the last match of the whole realm; a value would outlive its call there.
function removeLastMatch() {
  for (const key of ownKeys(RegExp)) {
    const { get } = getOwnPropertyDescriptor(RegExp, key);
    if (get !== undefined && key !== Symbol.species) remove(RegExp, key);
  }
}

function removeOldObjectDoors() {
  for (const key of ownKeys(Object.prototype)) {
    if (typeof key === "string" && key.startsWith("__")) remove(Object.prototype, key);
  }
}

// A frozen data property forbids assigning the same name on every heir. Names
// that ordinary code assigns become accessors whose setter defines an own property.
function allowOverride(prototype) {
  for (const key of ownKeys(prototype)) {
    const { value, writable } = getOwnPropertyDescriptor(prototype, key);
    if (typeof key !== "string" || writable !== true) continue;
    defineProperty(prototype, key, {
      get: () => value,
      set(replacement) {
        if (this === prototype) throw new TypeError("a built-in prototype is frozen");
        defineProperty(this, key, {
          value: replacement, writable: true, enumerable: true, configurable: true,
        });
      },
    });
  }
}

function freezeAll() {
  const seen = new Set();
  const waiting = [];
  const visit = (value) => {
    if (value === null || (typeof value !== "object" && typeof value !== "function")) return;
    if (seen.has(value)) return;
    seen.add(value);
    waiting.push(value);
  };
  visit(global);
  unreachableByName.forEach(visit);
  while (waiting.length > 0) {
    const value = waiting.pop();
    visit(getPrototypeOf(value));
    for (const key of ownKeys(value)) {
      const { value: child, get, set } = getOwnPropertyDescriptor(value, key);
      visit(child);
      visit(get);
      visit(set);
    }
    freeze(value);
    if (!isFrozen(value)) throw new TypeError("an intrinsic did not freeze");
  }
}

removeClockAndZone();
removeWhatDiffersByMachine();
removeLastMatch();
removeOldObjectDoors();
removeCodeFromText();
removeGlobals();
[Object, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError]
  .forEach((type) => allowOverride(type.prototype));
freezeAll();

function describeThrown(thrown) {
  let message = "a value that is not an Error was thrown";
  let stack = "";
  try {
    if (typeof thrown === "string") message = thrown;
    if (apply(hasInstance, ErrorType, [thrown])) {
      const { message: said, stack: where } = thrown;
      if (typeof said === "string") message = said;
      if (typeof where === "string") stack = where;
    }
  } catch {
    message = "an Error that throws when it is read was thrown";
  }
  return "F" + stringify({ message: apply(slice, message, [0, 1000]), stack: apply(slice, stack, [-4000]) });
}

return (load) => (probe, input, maxChars) => {
  try {
    const pack = load().default;
    if (typeof pack !== "object" || pack === null || typeof pack.run !== "function") {
      throw new TypeError("expected the default export to come from pack({ ... })");
    }
    const answer = probe === "" ? pack.definition : pack.run(probe, parse(input));
    const text = stringify(answer);
    if (typeof text !== "string" || typeof answer?.then === "function") {
      throw new TypeError("expected run to return plain data, got a promise or nothing");
    }
    if (text.length > maxChars) throw new TypeError("expected a result of at most " + maxChars + " characters");
    return "R" + text;
  } catch (thrown) {
    return describeThrown(thrown);
  }
};
})()`;
