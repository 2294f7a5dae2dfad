/** Keeps what a reload must not lose, in `localStorage`: bounded, and the oldest cache goes first where room is short. */

const PREFIX = "salon.page.";
/** What may go, in this order; drafts and the SDK's outbox are not in it and never do. */
const EXPENDABLE = ["room.", "place.", "list"];

/** Values by name, of one person. Where storage is forbidden, memory stands in for it. */
export class Shelf {
  readonly #storage: Storage;
  readonly #owner: string;

  constructor(storage: Storage | null = usable(), owner = "") {
    this.#storage = storage ?? new Memory();
    this.#owner = encodeURIComponent(owner).replaceAll(".", "%2E");
  }

  /** The same storage for one person: another on the same machine sees none of it. */
  of(owner: string): Shelf {
    return new Shelf(this.#storage, owner);
  }

  get<T>(name: string): T | null {
    const text = this.#storage.getItem(this.#name(name));
    if (text === null) return null;
    try {
      return (JSON.parse(text) as { value: T }).value;
    } catch {
      this.#storage.removeItem(this.#name(name));
      return null;
    }
  }

  /** Keep it; false where even an empty cache leaves no room. */
  put(name: string, value: unknown): boolean {
    return this.setItem(this.#name(name), JSON.stringify({ at: Date.now(), value }));
  }

  drop(name: string): void {
    this.#storage.removeItem(this.#name(name));
  }

  /** Forget all that this person's page kept, when they sign out. */
  clear(): void {
    for (const key of this.#keys()) {
      if (key.startsWith(`${PREFIX}${this.#owner}.`)) this.#storage.removeItem(key);
    }
  }

  /** What belongs to the browser, whoever sits there. */
  getItem(key: string): string | null {
    return this.#storage.getItem(key);
  }

  removeItem(key: string): void {
    this.#storage.removeItem(key);
  }

  /** Keep it; false where even an empty cache leaves no room. */
  setItem(key: string, text: string): boolean {
    for (;;) {
      try {
        this.#storage.setItem(key, text);
        return true;
      } catch {
        if (!this.makeRoom(key)) return false;
      }
    }
  }

  /** Drop the oldest cache of anybody on this machine; false where there is none but the one being written. */
  makeRoom(writing = ""): boolean {
    const victim = this.#oldest(writing);
    if (victim !== null) this.#storage.removeItem(victim);
    return victim !== null;
  }

  #name(name: string): string {
    return `${PREFIX}${this.#owner}.${name}`;
  }

  #keys(): string[] {
    const keys: string[] = [];
    for (let at = 0; at < this.#storage.length; at++) keys.push(this.#storage.key(at) ?? "");
    return keys;
  }

  #oldest(writing: string): string | null {
    for (const kind of EXPENDABLE) {
      let oldest: string | null = null;
      let age = Infinity;
      for (const key of this.#keys()) {
        if (key === writing || !key.startsWith(PREFIX)) continue;
        if (!key.slice(key.indexOf(".", PREFIX.length) + 1).startsWith(kind)) continue;
        const at = Number(/^\{"at":(\d+)/.exec(this.#storage.getItem(key) ?? "")?.[1] ?? 0);
        if (at < age) [oldest, age] = [key, at];
      }
      if (oldest !== null) return oldest;
    }
    return null;
  }
}

/** The browser's storage, if it lets this page have it. */
function usable(): Storage | null {
  try {
    localStorage.getItem(PREFIX);
    return localStorage;
  } catch {
    return null;
  }
}

class Memory implements Storage {
  readonly #items = new Map<string, string>();

  get length(): number {
    return this.#items.size;
  }

  key(index: number): string | null {
    return [...this.#items.keys()][index] ?? null;
  }

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }

  setItem(key: string, text: string): void {
    this.#items.set(key, text);
  }

  removeItem(key: string): void {
    this.#items.delete(key);
  }

  clear(): void {
    this.#items.clear();
  }
}
