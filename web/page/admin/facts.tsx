/** The few figures that one looks at first. */

import type { ComponentChildren } from "preact";

/** A name, a figure, and in small what it is seen against. */
export type Fact = [name: string, figure: ComponentChildren, more?: string];

export function Facts({ facts }: { facts: Fact[] }) {
  return (
    <dl class="facts" aria-label="Now">
      {facts.map(([name, figure, more]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{typeof figure === "object" ? figure : <b>{figure}</b>} {more && <span class="soft">{more}</span>}</dd>
        </div>
      ))}
    </dl>
  );
}
