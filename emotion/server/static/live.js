// The tab Live: sends camera frames and shows the faces that come back; each frame waits for the answer to the last.
import { closeCamera, grab, openCamera } from "./camera.js";
import { viewOf } from "./view.js";

const EDGE = 640; // longest edge of a frame that is sent, in pixels
const QUALITY = 0.8;
const SPAN = 2000; // milliseconds over which frames are counted

const at = (id) => document.getElementById(id);
const video = at("live-video");
const canvas = document.createElement("canvas");
const showFaces = viewOf("live", (face) => `${face.track}`, true);

let model = null;
let colours = {};
let socket = null;
let times = [];
let exited = false; // the server was stopped by Exit

function say(text, problem = false) {
  // Screen readers read each change aloud, so change it only when needed.
  if (at("live-status").textContent !== text) at("live-status").textContent = text;
  at("live-status").classList.toggle("problem", problem);
}

async function start() {
  at("start").disabled = true;
  say("Opening the camera ...");
  try {
    ({ colours } = await model);
    await openCamera(video);
  } catch (error) {
    return stop(error.message);
  }
  // The person may have left the tab or stopped the server in the meantime.
  if (exited || at("live").hidden) return stop();
  connect();
}

function connect() {
  const opened = new WebSocket(new URL("api/live", location.href.replace(/^http/, "ws")));
  socket = opened;
  opened.addEventListener("open", () => {
    at("stop").disabled = false;
    keepFocus("stop");
    at("live-result").hidden = false;
    say("Live.");
    smooth();
    send(opened);
  });
  opened.addEventListener("message", (event) => receive(opened, JSON.parse(event.data)));
  opened.addEventListener("close", (event) => {
    if (socket === opened) stop(event.reason || "The server closed the connection. Start again, or reload this page.");
  });
}

// A disabled button loses the focus, so move it to the button that is used next.
function keepFocus(successor) {
  if ([document.body, at("start"), at("stop")].includes(document.activeElement)) at(successor).focus();
}

async function send(opened) {
  const blob = await grab(video, canvas, EDGE, QUALITY);
  if (opened !== socket || opened.readyState !== WebSocket.OPEN) return;
  if (blob) opened.send(blob);
  else afterFrame(() => send(opened)); // the camera has not given a frame yet
}

function receive(opened, answer) {
  if (opened !== socket || answer.detail) return; // the close event repeats the reason
  showFaces(answer, colours, at("landmarks").checked);
  say(answer.faces.length ? "Live." : "Live. No face found.");
  count();
  afterFrame(() => send(opened));
}

function afterFrame(action) {
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(action);
  else requestAnimationFrame(action);
}

function count() {
  const now = performance.now();
  times = [...times.filter((time) => now - time < SPAN), now];
  const span = now - times[0];
  at("fps").textContent = span > 0 ? Math.round((times.length - 1) / span * 1000) : 0;
}

function stop(problem = "") {
  const closing = socket;
  socket = null;
  closing?.close();
  closeCamera(video);
  times = [];
  at("fps").textContent = "0";
  at("live-result").hidden = true;
  if (exited) return; // the status already says so
  at("start").disabled = false;
  keepFocus("start");
  at("stop").disabled = true;
  say(problem || "Stopped. The camera is released.", Boolean(problem));
}

function smooth() {
  const seconds = Number(at("smoothing").value);
  at("smoothing-value").textContent = `${seconds.toFixed(1)} s`;
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ smoothing: seconds }));
}

async function exit() {
  if (socket) stop();
  const answer = await fetch("api/exit", { method: "POST" }).catch(() => null);
  if (!answer) return say("The server does not answer. It may have stopped already.", true);
  if (!answer.ok) return say((await answer.json()).detail, true);
  exited = true;
  for (const button of document.querySelectorAll("#live button, #photo button")) button.disabled = true;
  say("The server has stopped. You can close this page.");
}

// Returns the function to call when the person leaves the tab.
export function startLive(facts) {
  model = facts;
  at("start").addEventListener("click", start);
  at("stop").addEventListener("click", () => stop());
  at("exit").addEventListener("click", exit);
  at("smoothing").addEventListener("input", smooth);
  addEventListener("pagehide", () => stop());
  return () => { if (socket || video.srcObject) stop(); };
}
