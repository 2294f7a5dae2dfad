/** Who is in a conversation, as its frames tell. */
import type { Event, Participant, Presence } from "./types.ts";

const GONE = new Set(["participant_left", "participant_removed", "participant_banned"]);

export class Roster {
  participants: readonly Participant[] = [];
  count = 0;

  /** Take in a `participant_list`. */
  list(participants: readonly Participant[], count: number): void {
    this.participants = participants;
    this.count = count;
  }

  /** Take in an event; whether it has changed anything. The list is newer than the events that are replayed after it. */
  apply(event: Event): boolean {
    if (event.type === "participant_updated") {
      const { id, name, type } = event.participant;
      this.participants = this.participants.map((each) => (each.participantId === id ? { ...each, displayName: name, type } : each));
      return true;
    }
    if (event.type === "participant_role_changed") {
      const { participant_id, role } = event;
      this.participants = this.participants.map((each) => (each.participantId === participant_id ? { ...each, role } : each));
      return true;
    }
    if (event.type !== "participant_joined" && !GONE.has(event.type)) return false;
    if (!("participant" in event && "participant_count" in event)) return false;
    const { id, name, type } = event.participant;
    const others = this.participants.filter((each) => each.participantId !== id);
    const known = this.participants.find((each) => each.participantId === id);
    this.count = event.participant_count;
    if (event.type === "participant_joined") {
      const joined = { participantId: id, displayName: name, type, role: event.role, joinedAt: event.timestamp };
      this.participants = known ? this.participants : [...others, { ...joined, isOnline: false }];
    } else {
      this.participants = others;
    }
    return true;
  }

  /** Take in a `presence`; those who changed. */
  presence(changes: readonly Presence[]): void {
    const online = new Map(changes.map((each) => [each.participant_id, each.status === "online"]));
    this.participants = this.participants.map((each) => {
      const isOnline = online.get(each.participantId);
      return isOnline === undefined || isOnline === each.isOnline ? each : { ...each, isOnline };
    });
  }
}
