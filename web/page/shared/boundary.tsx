/** Whatever breaks in a page, something is said, and there is a way on. */

import { Component, type ComponentChildren } from "preact";

/** Shows `broken` in the place of children that have thrown. */
export class Boundary extends Component<{ broken: ComponentChildren; children: ComponentChildren }, { failed: boolean }> {
  override state = { failed: false };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ failed: true });
  }

  override render() {
    return this.state.failed ? this.props.broken : this.props.children;
  }
}
