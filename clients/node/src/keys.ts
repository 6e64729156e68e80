// The keys that seal messages: Fernet tokens in base64. The age of a token does not matter, since each answer carries
// the random ID of its request.

import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

const KEYS_MAX = 8;
const VERSION = 0x80;
// Version, time and IV in front of what is encrypted, and the MAC behind it.
const HEAD_BYTES = 1 + 8 + 16;
const MAC_BYTES = 32;
const BLOCK_BYTES = 16;

/** One key or, while it is being changed, several. Messages are sealed with the first. */
export class KeyRing {
  readonly #keys: readonly Buffer[];

  /**
   * Reads keys as they stand in the server's key file: with commas or white space between them, and behind a `#` in a
   * line whatever an operator noted.
   */
  constructor(text: string) {
    const lines = text.split(/\r\n|\r|\n/).map((line) => line.replace(/(^|\s)#.*/, ""));
    const words = lines.flatMap((line) => line.split(/[,\s]+/)).filter((word) => unquoted(word) !== "");
    if (words.length < 1 || words.length > KEYS_MAX) {
      throw new Error(`there are ${words.length} keys; it takes 1 to ${KEYS_MAX}`);
    }
    this.#keys = words.map((word, place) => decoded(word, place + 1));
  }

  /** Reads a key file. */
  static fromFile(path: string | URL): KeyRing {
    return new KeyRing(readFileSync(path, "utf8"));
  }

  get length(): number {
    return this.#keys.length;
  }

  /** Seals with the key at this place. */
  seal(plain: string, place = 0): string {
    const key = this.#keys[place];
    if (!key) {
      throw new RangeError(`there is no key ${place}`);
    }
    return Buffer.from(encrypted(key, plain, Math.floor(Date.now() / 1000), randomBytes(16))).toString("base64");
  }

  /** Opens with whichever key fits, or not at all. */
  open(sealed: string): string | null {
    const inner = strictBase64(sealed);
    const token = inner && strictBase64(inner.toString("latin1").replaceAll("-", "+").replaceAll("_", "/"));
    if (!token || token.length < HEAD_BYTES + BLOCK_BYTES + MAC_BYTES || token[0] !== VERSION) {
      return null;
    }
    const key = this.#keys.find((key) => isMadeWith(key, token));
    return key ? decrypted(key, token) : null;
  }

  /** For each key, another one for a purpose of the site's own. */
  derived(purpose: string): Buffer[] {
    return this.#keys.map((key) => createHmac("sha256", key).update(`authnzerver site: ${purpose}`).digest());
  }
}

/** A Fernet token of this time, in seconds, and IV. */
function encrypted(key: Buffer, plain: string, seconds: number, iv: Buffer): string {
  const head = Buffer.alloc(9);
  head[0] = VERSION;
  head.writeBigUInt64BE(BigInt(seconds), 1);
  const cipher = createCipheriv("aes-128-cbc", key.subarray(16), iv);
  const signed = Buffer.concat([head, iv, cipher.update(plain, "utf8"), cipher.final()]);
  const token = Buffer.concat([signed, mac(key, signed)]).toString("base64");
  return token.replaceAll("+", "-").replaceAll("/", "_");
}

function isMadeWith(key: Buffer, token: Buffer): boolean {
  return timingSafeEqual(mac(key, token.subarray(0, -MAC_BYTES)), token.subarray(-MAC_BYTES));
}

function mac(key: Buffer, signed: Buffer): Buffer {
  return createHmac("sha256", key.subarray(0, 16)).update(signed).digest();
}

function decrypted(key: Buffer, token: Buffer): string | null {
  const decipher = createDecipheriv("aes-128-cbc", key.subarray(16), token.subarray(9, HEAD_BYTES));
  try {
    const start = decipher.update(token.subarray(HEAD_BYTES, -MAC_BYTES));
    return Buffer.concat([start, decipher.final()]).toString("utf8");
  } catch {
    // Who has the key wrote what no block cipher writes.
    return null;
  }
}

/** Node's own decoder skips what is no base64. */
function strictBase64(text: string): Buffer | null {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, "base64") : null;
}

function unquoted(word: string): string {
  return word.replace(/^["']+|["']+$/g, "");
}

function decoded(word: string, place: number): Buffer {
  const letters = unquoted(word).replace(/=+$/, "").replaceAll("-", "+").replaceAll("_", "/");
  const raw = strictBase64(letters + "=".repeat((4 - (letters.length % 4)) % 4));
  if (!raw) {
    throw new Error(`key ${place} is not base64`);
  }
  if (raw.length !== 32) {
    throw new Error(`key ${place} has ${raw.length} bytes instead of 32 (is it the name of a file?)`);
  }
  return raw;
}
