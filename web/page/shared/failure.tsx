/** Why something did not happen, said at once to those who cannot see it too. */

export function Failure({ text, id }: { text: string | undefined; id?: string }) {
  if (!text) return null;
  return (
    <p id={id} class="failure" role="alert">
      {text}
    </p>
  );
}
