/** JSON merge patches (RFC 7396), as the feed sends them. What a patch does not touch stays the same object. */

export type Json = { [name: string]: unknown };

export function apply(before: unknown, patch: Json): Json {
  const made: Json = isObject(before) ? { ...before } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete made[name];
    else made[name] = isObject(value) ? apply(made[name], value) : value;
  }
  return made;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
