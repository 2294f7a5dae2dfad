/** The page's few drawings; each stands beside words or carries its name in the button around it. */

const PATHS = {
  back: "M15 5l-7 7 7 7",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5",
  clip: "M20 11.500l-8 8a5 5 0 0 1-7-7l8.500-8.500a3.300 3.300 0 0 1 4.700 4.700L9.700 17.200a1.600 1.600 0 0 1-2.300-2.300L15 7.300",
  file: "M7 3h7l4 4v14H7zM14 3v4h4M10 12h5M10 16h5",
  plus: "M12 5v14M5 12h14",
  send: "M5 12h13M12 5l7 7-7 7",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.6-3.6 3.2-5.5 6.5-5.5s5.900 1.900 6.500 5.500M16 4.600a3.300 3.300 0 0 1 0 6.200M18 14.900c2 .7 3.200 2.500 3.500 5.100",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700l-1.200 1.200M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700l1.200-1.200",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l1.500 2h-15zM10 21h4",
  bellOff: "M6 16V11c0-1 .2-2 .7-2.800M9.500 5.600A6 6 0 0 1 18 11v5l1.500 2h-13M10 21h4M4 4l16 16",
  close: "M6 6l12 12M18 6L6 18",
  archive: "M4 5h16v4H4zM6 9v10h12V9M10 13h4",
  again: "M20 12a8 8 0 1 1-2.5-5.8L20 8M20 3v5h-5",
  reply: "M9 7L4 12l5 5M4 12h9c4 0 6 2 7 6",
  check: "M5 12.500l4.500 4.500L19 7.500",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2",
  warn: "M12 4l9 16H3zM12 10v4M12 17v.500",
  down: "M12 5v14M5 12l7 7 7-7",
  pen: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  door: "M14 4H6v16h8M11 12h10M17 8l4 4-4 4",
  power: "M12 3v8M7 6.500a7.500 7.500 0 1 0 10 0",
  copy: "M9 9h10v11H9zM5 15V4h10",
  gauge: "M4 18a9 9 0 1 1 16 0M12 15l4-5",
  smile: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.500 14.500c1.800 2.300 5.200 2.300 7 0M9 9.500v.500M15 9.500v.500",
  more: "M5 12a.5.5 0 1 0 1 0 .5.5 0 0 0-1 0zM11.500 12a.5.5 0 1 0 1 0 .5.5 0 0 0-1 0zM18 12a.5.5 0 1 0 1 0 .5.5 0 0 0-1 0z",
  thread: "M4 5h16v11H10l-4 4v-4H4zM8 9h8M8 12h5",
  pin: "M9 4h6l-1 6 3 3v2H7v-2l3-3zM12 15v6",
  unread: "M4 6h16v12H4zM4 7l8 6 8-6",
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.500 11v5M13.500 11v5",
  key: "M8 15.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM11.500 12H21v3M17 12v3",
} as const;

export type Drawing = keyof typeof PATHS;

export function Icon({ name }: { name: Drawing }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
