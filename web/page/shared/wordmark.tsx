/** The name of the house, and of a room in it where it is not the first. */

export function Wordmark({ room }: { room?: string }) {
  return (
    <span class="wordmark">
      <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <path d="M4 8.500A4.500 4.500 0 0 1 8.500 4h9A4.500 4.500 0 0 1 22 8.500v4a4.500 4.500 0 0 1-4.500 4.500H11l-5 4.500V16A4.500 4.500 0 0 1 4 12.500z" />
        <path class="mark-second" d="M25 11.500a4.500 4.500 0 0 1 3 4.200v4.800a4.500 4.500 0 0 1-2 3.700V29l-5-4h-6a4.500 4.500 0 0 1-4-2.500" />
      </svg>
      salon {room && <small>{room}</small>}
    </span>
  );
}
