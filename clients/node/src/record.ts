// What the generated parts rest on: records that are read from JSON, and calls.

/** What a request that was carried out came to. */
export interface Answer {
  /** What may be shown to the end user. */
  messages: string[];
}

/** A value is not what the API says it is. */
export class Unfit extends Error {}

/** Reads a value from JSON, or throws Unfit. */
export type Read<T> = (value: unknown) => T;
export type ReadAnswer<A extends Answer> = (response: unknown, messages: string[]) => A;
/** The name of each field on the wire, and what reads it. */
type Fields<T> = { readonly [K in keyof T]-?: readonly [wire: string, read: Read<T[K]>] };

/** Reads an object with these fields. Other keys are left aside, so that a newer server may add some. */
export function record<T>(name: string, fields: Fields<T>): Read<T> {
  return (value) => {
    const object = dict(value, name);
    const made: Partial<T> = {};
    for (const key of Object.keys(fields) as (keyof T)[]) {
      const [wire, read] = fields[key];
      if (!Object.hasOwn(object, wire)) {
        throw new Unfit(`${name} lacks ${wire}`);
      }
      try {
        made[key] = read(object[wire]);
      } catch (error) {
        throw error instanceof Unfit ? new Unfit(`${wire} of ${name}: ${error.message}`) : error;
      }
    }
    return made as T;
  };
}

/** Reads an answer's keys; its messages stand beside them. */
export function answer<A extends Answer>(name: string, fields: Fields<Omit<A, "messages">>): ReadAnswer<A> {
  const read = record(name, fields);
  return (response, messages) => ({ ...read(response), messages }) as A;
}

export function any(value: unknown): unknown {
  return value;
}

export function str(value: unknown): string {
  return checked(typeof value === "string", value, "a text");
}

export function bool(value: unknown): boolean {
  return checked(typeof value === "boolean", value, "true or false");
}

export function int(value: unknown): number {
  return checked(Number.isSafeInteger(value), value, "a whole number");
}

export function float(value: unknown): number {
  return checked(Number.isFinite(value), value, "a number");
}

export function dict(value: unknown, name = "this"): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Unfit(`${name} is no object`);
  }
  return value as Record<string, unknown>;
}

/** A time, which the server writes in UTC. */
export function time(value: unknown): Date {
  const written = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(?:Z|\+00:00)?$/.exec(str(value));
  const made = new Date(written ? `${written[1]}${(written[2] ?? "").slice(0, 4)}Z` : NaN);
  return checked(!Number.isNaN(made.getTime()), made, "a time");
}

export function list<T>(read: Read<T>): Read<T[]> {
  return (value) => checked<unknown[]>(Array.isArray(value), value, "a list").map(read);
}

export function orNull<T>(read: Read<T>): Read<T | null> {
  return (value) => (value === null ? null : read(value));
}

function checked<T>(fits: boolean, value: unknown, what: string): T {
  if (!fits) {
    throw new Unfit(`this is not ${what}`);
  }
  return value as T;
}

/** About whom a request is, where it asks for that. */
export type About = Readonly<Record<string, string>>;

interface CallOptions {
  /** Parameters that whoever asks fills in. */
  caller?: readonly string[];
  /** Parameters that are null rather than left out. */
  nulls?: readonly string[];
  onlyReads?: boolean;
}

/** A request with its parameters. It never shows them: they may be passwords. */
export class Call<A extends Answer> {
  readonly request: string;
  readonly onlyReads: boolean;
  readonly #params: Readonly<Record<string, unknown>>;
  readonly #read: ReadAnswer<A>;
  readonly #options: CallOptions;

  constructor(request: string, params: Record<string, unknown>, read: ReadAnswer<A>, options: CallOptions) {
    this.request = request;
    this.onlyReads = options.onlyReads ?? false;
    this.#params = params;
    this.#read = read;
    this.#options = options;
  }

  /** The parameters as they are sent. */
  body(about: About): Record<string, unknown> {
    const { caller = [], nulls = [] } = this.#options;
    const sent: Record<string, unknown> = {};
    for (const [name, given] of Object.entries(this.#params)) {
      const value = given ?? (caller.includes(name) ? about[name] : given);
      if (value !== undefined && (value !== null || nulls.includes(name))) {
        sent[name] = value;
      }
    }
    return sent;
  }

  /** Reads the answer, or throws Unfit. */
  read(response: unknown, messages: string[]): A {
    return this.#read(response, messages);
  }
}
