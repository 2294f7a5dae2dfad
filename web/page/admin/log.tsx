/** A conversation's log, read only when asked for: it is what people wrote, and that somebody looked is noted. */

import { useEffect, useState } from "preact/hooks";
import { EventList, type Logged } from "./events.tsx";
import { count } from "./format.ts";
import { reason, salon } from "./operator.ts";

interface Page {
  events: Logged[];
  head_sequence_id: number;
}

const PAGE = 50;
const FOLLOWED = 500; // events, of one that goes on; what is older can be paged again

export function Log({ id, head }: { id: string; head: number }) {
  const [events, setEvents] = useState<Logged[] | null>(null);
  const [failure, setFailure] = useState("");
  const path = `/admin/conversations/${encodeURIComponent(id)}/events`;
  const read = async (range: string): Promise<Page | null> => {
    try {
      setFailure("");
      return await salon.request<Page>("GET", `${path}?limit=${PAGE}${range}`);
    } catch (error) {
      setFailure(reason(error));
      return null;
    }
  };
  const open = async (): Promise<void> => {
    const page = await read("");
    if (!page) return;
    setEvents(page.events);
  };
  const back = async (): Promise<void> => {
    const page = await read(`&before=${events?.[0]?.sequence_id ?? 1}`);
    if (!page) return;
    setEvents((known) => [...page.events, ...(known ?? [])]);
  };
  const earlier = (events?.[0]?.sequence_id ?? 1) > 1;
  const last = events?.at(-1)?.sequence_id ?? 0;
  useEffect(() => {
    if (events === null || head <= last) return;
    void read(`&after=${last}`).then((page) => {
      if (!page) return;
      setEvents((known) => {
        const news = page.events.filter((each) => each.sequence_id > (known?.at(-1)?.sequence_id ?? 0));
        return [...(known ?? []), ...news].slice(-Math.max(FOLLOWED, known?.length ?? 0));
      });
    });
  }, [head, last, events === null]);
  return (
    <section class="pane" aria-labelledby="log-title">
      <div class="section-head">
        <h2 id="log-title">Log</h2>
        {events === null && <button type="button" class="button small" onClick={() => void open()}>Read the log</button>}
      </div>
      {events === null && <p class="soft">{count(head)} events. It shows what people wrote: that you read it is noted under Audit.</p>}
      {failure && <p class="failure" role="alert">{failure}</p>}
      {events !== null && (
        <div class="scroll log" tabIndex={0} role="region" aria-label="The log">
          {earlier && <button type="button" class="button small" onClick={() => void back()}>Earlier</button>}
          <EventList events={events} />
        </div>
      )}
    </section>
  );
}
