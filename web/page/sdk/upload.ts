/** One file on its way to the server: how much of it is there, and once more from its beginning after a drop. */
import { answered, either, unreachable } from "./answered.ts";
import { Refused } from "./refused.ts";
import type { UploadOptions } from "./types.ts";
import { Backoff } from "./verdict.ts";

const STALLED = 30_000; // milliseconds in which nothing moves, and of waiting for the answer
const TRIES = 10;

export interface Target {
  url: string;
  /** Asked for each try: it may be another one by then. */
  token: () => string | undefined;
}

/** Throws `Refused`, or the reason of `signal`. */
export async function upload<T>(target: Target, file: Blob, options: UploadOptions): Promise<T> {
  const { signal, onProgress = () => {}, tries = TRIES } = options;
  const pause = new Backoff();
  for (let tried = 1; ; tried += 1) {
    try {
      signal?.throwIfAborted();
      onProgress({ sent: 0, size: file.size });
      const told = (sent: number): void => onProgress({ sent: Math.min(sent, file.size), size: file.size });
      return await once<T>(target, file, told, signal);
    } catch (error) {
      if (!(error instanceof Refused) || !error.refusal.temporary || tried >= tries) throw error;
      const delay = pause.delay(error.refusal.retry_after);
      onProgress({ sent: 0, size: file.size, retryAt: Date.now() + delay, reason: error.refusal });
      await waited(delay, signal);
    }
  }
}

function once<T>(target: Target, file: Blob, told: (sent: number) => void, signal: AbortSignal | undefined): Promise<T> {
  return typeof XMLHttpRequest === "undefined" ? fetched(target, file, told, signal) : requested(target, file, told, signal);
}

/** In a browser: `fetch` tells nothing of how far it is. */
function requested<T>({ url, token }: Target, file: Blob, told: (sent: number) => void, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let timer = 0;
    const end = (act: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
      try {
        act();
      } catch (error) {
        reject(error);
      }
    };
    const watch = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), STALLED) as unknown as number;
    };
    const cancel = (): void => request.abort();
    request.upload.onprogress = ({ loaded }) => {
      watch();
      told(loaded);
    };
    request.onload = () => end(() => resolve(answered(request.status, request.responseText, request.getResponseHeader("Retry-After"))));
    request.onerror = () => end(() => reject(unreachable()));
    request.onabort = () => end(() => reject(signal?.aborted ? signal.reason : unreachable()));
    request.open("POST", url);
    for (const [name, value] of Object.entries(headersOf(token()))) request.setRequestHeader(name, value);
    signal?.addEventListener("abort", cancel);
    watch();
    request.send(file);
  });
}

/** Elsewhere: what has been read of it counts as sent. */
async function fetched<T>({ url, token }: Target, file: Blob, told: (sent: number) => void, signal: AbortSignal | undefined): Promise<T> {
  const stalled = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(), STALLED);
  };
  let sent = 0;
  const counted = file.stream().pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(piece, out) {
        sent += piece.length;
        watch();
        told(sent);
        out.enqueue(piece);
      },
    }),
  );
  const init = { method: "POST", headers: headersOf(token()), body: counted, signal: either(stalled.signal, signal), duplex: "half" };
  watch();
  try {
    const response = await fetch(url, init as RequestInit);
    return answered(response.status, await response.text(), response.headers.get("Retry-After"));
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof Refused ? error : unreachable();
  } finally {
    clearTimeout(timer);
  }
}

function headersOf(token: string | undefined): Record<string, string> {
  const headers = { Accept: "application/json", "Content-Type": "application/octet-stream" };
  return token === undefined ? headers : { ...headers, Authorization: `Bearer ${token}` };
}

/** Until then, or until the network is back. */
function waited(delay: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const timer = setTimeout(() => end(resolve), delay);
    const end = (act: () => void): void => {
      clearTimeout(timer);
      over.abort();
      act();
    };
    globalThis.addEventListener?.("online", () => end(resolve), { signal: over.signal });
    signal?.addEventListener("abort", () => end(() => reject(signal.reason)), { signal: over.signal });
    if (signal?.aborted) end(() => reject(signal.reason));
  });
}
