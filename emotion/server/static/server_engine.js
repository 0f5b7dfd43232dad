// The engine on the server. An engine has:
//   kind                           "server" or "browser"
//   describe()                     the network: classes, colours, limits, metrics and card
//   prepare(say)                   makes it ready; `say(text)` hears how far it is
//   onProcessor(listener)          the listener hears in words where the network runs; only in a browser
//   predict(file, signal)          the faces in an image
//   live({ smoothing, answered, closed })  a camera: { send(video), smooth(seconds), close() }; `answered(faces)` hears of
//                                  each frame, `closed(reason)` of an end that the page did not ask for
//   stop()                         ends the server
import { grab } from "./camera.js";

const EDGE = 640; // longest edge of a frame that is sent, in pixels
const QUALITY = 0.8;
const SILENT = "The server does not answer. Is it still running? Try again, or reload this page.";

export function serverEngine() {
  let description = null;
  const forget = (error) => {
    description = null; // the next try asks again
    throw error;
  };
  const known = () => (description ??= describe().catch(forget));
  return { kind: "server", describe: known, prepare: async () => {}, predict, live, stop };
}

async function describe() {
  const answer = await fetch("api/model").catch(explain);
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return answer.json();
}

async function predict(file, signal) {
  const form = new FormData();
  form.append("file", file, file.name);
  const answer = await fetch("api/predict", { method: "POST", body: form, signal }).catch(explain);
  if (answer.ok) return answer.json();
  const fault = await answer.json().catch(() => null);
  throw new Error(fault?.detail ?? `The server answered ${answer.status}.`);
}

// Without a server fetch fails with a TypeError; its text differs between browsers.
function explain(error) {
  throw error instanceof TypeError ? new Error(SILENT) : error;
}

async function live({ smoothing, answered, closed }) {
  const socket = new WebSocket(new URL("api/live", location.href.replace(/^http/, "ws")));
  const canvas = document.createElement("canvas");
  let wanted = true; // whether the page still wants answers
  const smooth = (seconds) => { if (isOpen(socket)) socket.send(JSON.stringify({ smoothing: seconds })); };
  await open(socket);
  socket.addEventListener("close", (event) => { if (wanted) closed(reasonOf(event)); });
  socket.addEventListener("message", ({ data }) => {
    const answer = JSON.parse(data);
    if (wanted && !answer.detail) answered(answer); // the close event repeats the reason
  });
  smooth(smoothing);
  return {
    smooth,
    close: () => { wanted = false; socket.close(); },
    // Returns whether there was a frame.
    async send(video) {
      const blob = await grab(video, canvas, EDGE, QUALITY);
      if (blob && wanted && isOpen(socket)) socket.send(blob);
      return Boolean(blob);
    },
  };
}

function open(socket) {
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("close", (event) => reject(new Error(reasonOf(event))));
  });
}

const reasonOf = (event) => event.reason || "The server closed the connection. Start again, or reload this page.";

const isOpen = (socket) => socket.readyState === WebSocket.OPEN;

async function stop() {
  const answer = await fetch("api/exit", { method: "POST" }).catch(() => null);
  if (!answer) throw new Error("The server does not answer. It may have stopped already.");
  if (!answer.ok) throw new Error((await answer.json()).detail);
}
