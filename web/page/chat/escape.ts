/** Escape closes what stands beside the log. */

/** Closes it, unless the key was for something over it, or for something in it that has taken it. */
export function onEscape(close: () => void): (event: KeyboardEvent) => void {
  return (event) => {
    const over = (event.target as HTMLElement).closest("dialog, [popover]");
    if (event.key === "Escape" && over === null && !event.defaultPrevented) close();
  };
}
