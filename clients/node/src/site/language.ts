// Which language a visitor reads, and what our English is in it.

import { BROWSERS, SYSTEMS } from "./texts.js";

/** By language, what the English texts are in it. */
export type Texts = Readonly<Record<string, Readonly<Record<string, string>>>>;

const WANTED_MAX = 32;

/** The best of these languages by `Accept-Language`; the first where none of them is asked for. */
export function preferred(header: string, languages: readonly [string, ...string[]]): string {
  const known = new Map(languages.map((language) => [language.toLowerCase(), language]));
  const wanted = header.toLowerCase().split(",").slice(0, WANTED_MAX).map(wish).filter(({ quality }) => quality > 0);
  for (const { tag } of wanted.sort((one, other) => other.quality - one.quality)) {
    // For `de-CH` without texts of its own, those of `de`.
    const found = known.get(tag) ?? known.get(tag.replace(/-.*/s, ""));
    if (found !== undefined) {
      return found;
    }
  }
  return languages[0];
}

function wish(part: string): { tag: string; quality: number } {
  const [tag = "", weight] = part.split(";").map((word) => word.trim());
  return { tag, quality: weight ? Number(weight.replace(/^q=/, "")) : 1 };
}

/** What a person would call the browser that sends this; what it sends, where nobody knows. */
export function browserName(userAgent: string): string {
  const of = (names: readonly (readonly [string, string])[]): string =>
    names.find(([mark]) => userAgent.includes(mark))?.[1] ?? "";
  const browser = of(BROWSERS);
  return browser ? [browser, of(SYSTEMS)].filter(Boolean).join(", ") : userAgent.slice(0, 60) || "?";
}
