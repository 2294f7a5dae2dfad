/** Which nodes of a cluster have not said what they have: a list without them is not whole. */

export function Silent({ nodes }: { nodes: readonly string[] | undefined }) {
  if (!nodes || nodes.length === 0) return null;
  return <p class="failure" role="status">Without {nodes.join(", ")}: no answer within a second.</p>;
}
