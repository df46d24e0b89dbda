/** The JSON Schema subset of a manifest's params and results; see schemas/value-schema. */
export type ValueSchema =
  | { type: "string"; maxLength?: number; enum?: string[]; description?: string }
  | { type: "integer" | "number"; minimum?: number; maximum?: number; description?: string }
  | { type: "boolean"; description?: string }
  | { type: "array"; items: ValueSchema; maxItems?: number; description?: string }
  | {
      type: "object";
      properties: Record<string, ValueSchema>;
      required: string[];
      additionalProperties: false;
      description?: string;
    }
  | {
      type: "object";
      additionalProperties: ValueSchema;
      maxProperties: number;
      description?: string;
    }
  | { anyOf: [ValueSchema, { type: "null" }]; description?: string };

declare const valueType: unique symbol;

/** A schema that carries the type of its values. */
export type TypedSchema<T> = { readonly schema: ValueSchema; readonly [valueType]?: T };

/** A property that may be absent; only inside `t.object`. */
export type OptionalSchema<T> = { readonly optional: TypedSchema<T> };

/** The type of the values a schema accepts. */
export type Infer<S> = S extends TypedSchema<infer T> ? T : never;

type Shape = Record<string, TypedSchema<unknown> | OptionalSchema<unknown>>;

type OptionalKeys<S extends Shape> = {
  [K in keyof S]: S[K] extends OptionalSchema<unknown> ? K : never;
}[keyof S];

/** The object type of a shape, flattened so that editors show it in full. */
export type InferShape<S extends Shape> = {
  [K in Exclude<keyof S, OptionalKeys<S>>]: Infer<S[K]>;
} & {
  [K in OptionalKeys<S>]?: S[K] extends OptionalSchema<infer T> ? T : never;
} extends infer O
  ? { [K in keyof O]: O[K] }
  : never;

type Described = { description?: string };

function typed<T>(schema: ValueSchema): TypedSchema<T> {
  return { schema };
}

function isOptional(
  value: TypedSchema<unknown> | OptionalSchema<unknown>,
): value is OptionalSchema<unknown> {
  return "optional" in value;
}

/**
 * The closed vocabulary for params and results. In a result, strings have neither `enum` nor
 * `maxLength`, so that a redaction marker always fits.
 */
export const t = {
  /** `maxLength` only in params. */
  string: (options: Described & { maxLength?: number } = {}): TypedSchema<string> =>
    typed({ type: "string", ...options }),

  /** A whole number. */
  integer: (
    options: Described & { minimum?: number; maximum?: number } = {},
  ): TypedSchema<number> => typed({ type: "integer", ...options }),

  /** Any number. */
  number: (options: Described & { minimum?: number; maximum?: number } = {}): TypedSchema<number> =>
    typed({ type: "number", ...options }),

  /** `true` or `false`. */
  boolean: (options: Described = {}): TypedSchema<boolean> =>
    typed({ type: "boolean", ...options }),

  /** One of the given words; only in params. */
  enumOf: <const V extends readonly [string, ...string[]]>(
    values: V,
    options: Described = {},
  ): TypedSchema<V[number]> => typed({ type: "string", enum: [...values], ...options }),

  /** A list of values of one form. */
  array: <T>(
    items: TypedSchema<T>,
    options: Described & { maxItems?: number } = {},
  ): TypedSchema<T[]> => typed({ type: "array", items: items.schema, ...options }),

  /** An object with these members. What is not `t.optional` is required. */
  object: <S extends Shape>(shape: S, options: Described = {}): TypedSchema<InferShape<S>> => {
    const properties: Record<string, ValueSchema> = {};
    const required: string[] = [];
    for (const [name, value] of Object.entries(shape)) {
      properties[name] = isOptional(value) ? value.optional.schema : value.schema;
      if (!isOptional(value)) required.push(name);
    }
    return typed({ type: "object", properties, required, additionalProperties: false, ...options });
  },

  /** An object whose member names the pack chooses at run time, such as one per mount point. */
  record: <T>(
    values: TypedSchema<T>,
    options: Described & { maxProperties: number },
  ): TypedSchema<Record<string, T>> =>
    typed({ type: "object", additionalProperties: values.schema, ...options }),

  /** A value of this form, or null. */
  nullable: <T>(inner: TypedSchema<T>, options: Described = {}): TypedSchema<T | null> =>
    typed({ anyOf: [inner.schema, { type: "null" }], ...options }),

  /** A member of `t.object` that may be absent. */
  optional: <T>(inner: TypedSchema<T>): OptionalSchema<T> => ({ optional: inner }),
};
