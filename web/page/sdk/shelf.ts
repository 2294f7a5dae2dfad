/**
 * Where unsent messages and changes survive a reload: one entry of localStorage for each, so that tabs never overwrite each other's.
 *
 * An entry names the tab that sends it. For each conversation a tab holds a Web Lock as long as it lives, and whoever gets
 * the lock of another tab knows that it is gone, keeps the lock and sends what was left. Where there are no Web Locks
 * (pages that came over plain HTTP from another machine) two tabs may send the same message, which its key makes one.
 */
import type { Entry as Unsent } from "./changes.ts";
import { isObject } from "./refusal.ts";

const MOST_TRIES = 100; // to make room, each of which drops something

type Entry = Unsent & { owner: string };

export class Shelf {
  private readonly storage: Storage | null;
  private readonly prefix: string;
  private readonly makeRoom: () => boolean;
  private readonly tab = randomKey();
  private readonly locks = globalThis.navigator?.locks;
  /** By conversation, what was to be kept before this tab had its lock: an entry without one is there for the taking. */
  private readonly early = new Map<string, Map<string, string>>();
  private readonly locked = new Set<string>();

  constructor(storage: Storage | null, url: string, makeRoom: () => boolean = () => false) {
    this.storage = storage;
    this.prefix = `salon:${url}:`;
    this.makeRoom = makeRoom;
  }

  /** Who used this browser last; "" where nobody is known. */
  get person(): string {
    return this.read(`${this.prefix}person`) ?? "";
  }

  set person(id: string) {
    if (id !== this.person) this.write(`${this.prefix}person`, id);
  }

  /** Keep a message, as it is now; false where the storage does not take it, so that it is in memory alone. */
  keep(person: string, conversation: string, message: Unsent): boolean {
    const { state, ...rest } = message;
    const entry = { ...rest, state: state === "refused" || state === "held" ? state : "waiting", owner: this.tab };
    const place = this.place(person, conversation);
    const name = place + message.key;
    this.lock(place);
    const early = this.early.get(place);
    if (early === undefined) return this.write(name, JSON.stringify(entry));
    early.set(name, JSON.stringify(entry));
    return true;
  }

  drop(person: string, conversation: string, key: string): void {
    const place = this.place(person, conversation);
    const name = place + key;
    this.early.get(place)?.delete(name);
    this.remove(name);
  }

  /**
   * Take over what this tab has kept before, and what others have left that are gone, now or later; `take` gets the
   * messages of one of them. The answer stops it.
   */
  adopt(person: string, conversation: string, take: (messages: Unsent[]) => void): () => void {
    const place = this.place(person, conversation);
    const stop = new AbortController();
    const { signal } = stop;
    const awaited = new Set<string>();
    const gone = new Set([this.tab]);
    const adoptFrom = (owner: string) => {
      const left = this.entries(place).filter((each) => each.owner === owner && !signal.aborted);
      const messages = left.map(({ owner: _, ...message }) => message as Unsent);
      for (const message of messages) this.keep(person, conversation, message);
      if (messages.length) take(messages);
    };
    const follow = (owner: string) => {
      gone.add(owner);
      adoptFrom(owner);
      return new Promise(() => {}); // nobody else is to follow, or what arrives first would be a matter of luck
    };
    const look = () => {
      for (const owner of new Set(this.entries(place).map((each) => each.owner))) {
        if (gone.has(owner) && owner !== this.tab) adoptFrom(owner);
        if (gone.has(owner) || awaited.has(owner)) continue;
        awaited.add(owner);
        if (this.locks === undefined) adoptFrom(owner);
        else this.locks.request(lockName(owner, place), { signal }, () => follow(owner)).catch(() => {});
      }
    };
    const onStorage = (event: StorageEvent) => {
      if (event.key?.startsWith(place) && event.newValue !== null && this.locks !== undefined) look();
    };
    this.lock(place);
    adoptFrom(this.tab);
    look();
    globalThis.addEventListener?.("storage", onStorage as EventListener, { signal });
    return () => stop.abort();
  }

  /** The conversations in which messages wait whose tab is gone: nobody sends them until one of these is opened. */
  async orphaned(person: string): Promise<string[]> {
    const own = this.of(person);
    const found = new Set<string>();
    const locks = await this.locks?.query().catch(() => undefined);
    const alive = new Set(locks?.held?.map(({ name }) => name));
    for (const name of this.names()) {
      if (!name.startsWith(own)) continue;
      const entry = entryOf(this.read(name));
      const place = name.slice(0, name.lastIndexOf(":") + 1);
      const gone = entry?.state === "waiting" && entry.owner !== this.tab && !alive.has(lockName(entry.owner, place));
      const conversation = decoded(place.slice(own.length, -1));
      if (gone && conversation !== undefined) found.add(conversation);
    }
    return [...found];
  }

  /** The person signs out of this browser: nothing they wrote stays in it. */
  forget(): void {
    const own = this.of(this.person);
    for (const name of [...this.names().filter((each) => each.startsWith(own)), `${this.prefix}person`]) this.remove(name);
    for (const [place, early] of this.early) if (place.startsWith(own)) early.clear();
  }

  private place(person: string, conversation: string): string {
    return `${this.of(person)}${encodeURIComponent(conversation)}:`;
  }

  /** What the names of all that a person has kept begin with. */
  private of(person: string): string {
    return `${this.prefix}outbox:${encodeURIComponent(person)}:`;
  }

  /** Hold this tab's lock of a conversation for as long as the page lives. */
  private lock(place: string): void {
    if (this.storage === null || this.locks === undefined || this.locked.has(place)) return;
    this.locked.add(place);
    const early = new Map<string, string>();
    this.early.set(place, early);
    const keepAll = () => {
      this.early.delete(place);
      for (const [name, text] of early) this.write(name, text);
    };
    const hold = () => {
      keepAll();
      return new Promise(() => {});
    };
    this.locks.request(lockName(this.tab, place), hold).catch(keepAll);
  }

  private entries(place: string): Entry[] {
    const kept = this.names().filter((name) => name.startsWith(place));
    const entries = kept.map((name) => entryOf(this.read(name))).filter((entry) => entry !== undefined);
    return entries.sort((a, b) => a.queued_at - b.queued_at);
  }

  private names(): string[] {
    try {
      return Array.from({ length: this.storage?.length ?? 0 }, (_, at) => this.storage!.key(at) ?? "");
    } catch {
      return []; // blocked meanwhile
    }
  }

  private read(name: string): string | null {
    try {
      return this.storage?.getItem(name) ?? null;
    } catch {
      return null;
    }
  }

  private remove(name: string): void {
    try {
      this.storage?.removeItem(name);
    } catch {
      // no storage any more, so nothing is kept there either
    }
  }

  private write(name: string, text: string): boolean {
    if (this.storage === null) return false;
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      try {
        this.storage.setItem(name, text);
        return true;
      } catch {
        if (!this.makeRoom()) return false;
      }
    }
    return false;
  }
}

/** A key of 128 random bits; `crypto.randomUUID` is missing on pages that came over plain HTTP. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function lockName(tab: string, place: string): string {
  return `${place}${tab}`;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // nothing that was written here
  }
}

/** What this or another version of this file has written; anybody can write there. */
function entryOf(text: string | null): Entry | undefined {
  try {
    const entry: unknown = JSON.parse(text ?? "");
    if (!isObject(entry)) return undefined;
    // A change has no content beside its others, or an earlier version of this file would take it for a message.
    const what = isObject(entry["change"]) ? entry["change"]["type"] : entry["content"];
    const whole = [entry["key"], what, entry["owner"], entry["state"]].every((each) => typeof each === "string");
    return whole && typeof entry["queued_at"] === "number" ? (entry as unknown as Entry) : undefined;
  } catch {
    return undefined;
  }
}
