/** Who listens to what a conversation tells. */
import type { Signals } from "./types.ts";

type ByName = { [K in keyof Signals]?: Set<(value: Signals[K]) => void> };

export class Listeners {
  private readonly byName: ByName = {};

  add<K extends keyof Signals>(name: K, listener: (value: Signals[K]) => void): () => void {
    const listeners = (this.byName[name] ??= new Set() as NonNullable<ByName[K]>);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** A listener that throws is the page's fault and its alone. */
  tell<K extends keyof Signals>(name: K, value: Signals[K]): void {
    for (const listener of [...(this.byName[name] ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  clear(): void {
    for (const name of Object.keys(this.byName)) delete this.byName[name as keyof Signals];
  }
}
