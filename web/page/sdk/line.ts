/** A conversation's line to the server. */
import type { Salon } from "./salon.ts";
import type { Conversation, OpenOptions, Outgoing, Participant, Signals, State } from "./types.ts";

export class Line implements Conversation {
  state: State = { status: "connecting" };
  head = -1;
  position = -1;
  epoch: string | undefined;
  participants: readonly Participant[] = [];
  participantCount = 0;
  outbox: readonly Outgoing[] = [];
  maxMessageSize = 0;

  readonly id: string;

  constructor(_salon: Salon, id: string, _options: OpenOptions, _storage: Storage | null) {
    this.id = id;
  }

  on<K extends keyof Signals>(_name: K, _listener: (value: Signals[K]) => void): () => void {
    return () => {};
  }
  send(): Outgoing {
    throw new Error("comes with the next commit");
  }
  retry(): void {}
  discard(): void {}
  typing(): void {}
  read(): void {}
  reconnect(): void {}
  close(): void {}
}
