/** The conversations that a person has put away: in no list but this one, whatever is said in them. */

import { computed, signal } from "@preact/signals";
import type { Salon } from "../sdk/salon.ts";
import type { ConversationLine } from "../sdk/types.ts";

const PAGE = 50;

export class Archive {
  readonly lines = signal<readonly ConversationLine[]>([]);
  readonly total = signal(0);
  readonly unread = computed(() => this.lines.value.reduce((sum, line) => sum + line.unread_count, 0));
  readonly #salon: Salon;
  #wanted = PAGE;
  #doubted = true;

  constructor(salon: Salon) {
    this.#salon = salon;
  }

  /** Something was put away or taken out. */
  doubt(): void {
    this.#doubted = true;
  }

  more(): void {
    this.#wanted = this.lines.value.length + PAGE;
    this.doubt();
  }

  /** Look, where there may be something: most people have nothing there. Throws `Refused`. */
  async look(): Promise<void> {
    if (!this.#doubted && this.total.value === 0) return;
    this.#doubted = false;
    try {
      const { lines, total } = await listed(this.#salon, this.#wanted, true);
      this.lines.value = lines;
      this.total.value = total;
    } catch (error) {
      this.#doubted = true;
      throw error;
    }
  }
}

/** So many of a person's conversations, page by page. Messages that come between two pages move nothing. */
export async function listed(salon: Salon, wanted: number, archived: boolean): Promise<{ lines: ConversationLine[]; total: number }> {
  const lines: ConversationLine[] = [];
  let before: number | null = null;
  let total: number;
  do {
    const page = await salon.conversations({ limit: PAGE, ...(before !== null && { before }), ...(archived && { archived }) });
    ({ before, total } = page);
    lines.push(...page.conversations);
  } while (before !== null && lines.length < wanted);
  return { lines, total };
}
