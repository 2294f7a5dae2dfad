// A chat in forty lines: what useConversation gives, and what can be done with it.
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Salon } from "salon-js";
import { useConversation } from "salon-js/react";

const { url, token, id } = JSON.parse(decodeURIComponent(location.hash.slice(1))) as Record<"url" | "token" | "id", string>;
const salon = new Salon({ url, token });

function Chat() {
  const { messages, outbox, status, send, edit, react, older } = useConversation(salon, id);
  const [text, setText] = useState("");
  const [more, setMore] = useState(true);
  const take = (act: (content: string) => void) => () => {
    act(text);
    setText("");
  };
  return (
    <>
      <p role="status">{status}</p>
      {more && <button onClick={() => void older().then(setMore)}>Older</button>}
      <ul aria-label="Messages">
        {messages.map(({ message_id, sender_name, content, reactions }) => (
          <li key={message_id}>
            {sender_name}: {content} {Object.keys(reactions ?? {}).join("")}
            <button onClick={take((now) => edit(message_id, now))}>Edit</button>
            <button onClick={() => react(message_id, "👍")}>Like</button>
          </li>
        ))}
        {outbox.map(({ key, content, state }) => (
          <li key={key}>
            {content} ({state})
          </li>
        ))}
      </ul>
      <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
      <button onClick={take((now) => send(now))}>Send</button>
    </>
  );
}

function Members() {
  const { members } = useConversation(salon, id);
  return <p aria-label="Members">{members.map(({ displayName, isOnline }) => `${displayName}${isOnline ? "*" : ""}`).sort().join(" ")}</p>;
}

function App() {
  const [shown, setShown] = useState(true);
  return (
    <>
      <button onClick={() => setShown(!shown)}>{shown ? "Hide" : "Show"}</button>
      {shown && <Chat />}
      {shown && <Members />}
    </>
  );
}

createRoot(document.getElementById("app")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
