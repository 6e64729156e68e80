// Texts as they stand in HTML, and back.

/** A text as it stands in HTML. */
export function escape(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };
  return text.replace(/[&<>"']/g, (letter) => entities[letter] ?? letter);
}

/** A text that the server has escaped, as it was. */
export function unescape(text: string): string {
  const letters: Record<string, string> = {
    "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'", "&#39;": "'",
  };
  return text.replace(/&(?:amp|lt|gt|quot|#x27|#39);/g, (entity) => letters[entity] ?? entity);
}
